import type { Page } from 'playwright-core'

/** One picture that a page's `<video>` showed. */
export interface ShownPicture {
  /** Unix ms at which it was given to the compositor. */
  readonly at: number
  /** Lines. */
  readonly height: number
}

/** Notes from now on each picture that the page's first `<video>` shows. */
export async function watchShown(page: Page): Promise<void> {
  await page.evaluate(() => {
    const shown: ShownPicture[] = []
    Object.assign(globalThis, { shown })
    const video = document.querySelector('video')
    if (!video) throw new Error('there is no <video> in the page')
    const note = (_now: number, { presentationTime, height }: VideoFrameCallbackMetadata) => {
      video.requestVideoFrameCallback(note)
      shown.push({ at: performance.timeOrigin + presentationTime, height })
    }
    video.requestVideoFrameCallback(note)
  })
}

/** What was shown since the last call, oldest first. */
export async function takeShown(page: Page): Promise<ShownPicture[]> {
  return page.evaluate(() => (globalThis as unknown as { shown: ShownPicture[] }).shown.splice(0))
}
