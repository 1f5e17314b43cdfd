import type { Page } from 'playwright-core'
import { readFrames } from './frame-reader.ts'
import { until } from './until.ts'

/** What a test does with an open `/watch/…` page, and what it reads off it. */

/** What the viewer sees, in the SDK's word for it. */
export const stateOf = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => document.documentElement.dataset.state)

export const untilState = async (page: Page, state: string): Promise<void> => {
  const seen: unknown[] = []
  const reached = async () => {
    const now = await stateOf(page)
    if (now !== seen.at(-1)) seen.push(now)
    return now === state
  }
  await until(reached, `the page is ${state}`, 40_000).catch((error: unknown) => {
    throw new Error(`${String(error)}; it was ${seen.join(', ')}`)
  })
}

export const textOf = async (page: Page, testId: string): Promise<string> =>
  (await page.getByTestId(testId).textContent({ timeout: 15_000 })) ?? ''

/** Resolves when clocks were read in six more pictures; answers with the latency of those, in ms. */
export const untilPicturesMove = async (page: Page): Promise<number[]> => {
  await using reader = await readFrames(page)
  const latenciesMs: number[] = []
  await until(async () => latenciesMs.push(...(await reader.take()).latenciesMs) > 5, 'pictures move')
  return latenciesMs
}

/** Whether the element shows a picture now: the test card is nowhere near black as a whole. */
export const showsPicture = (page: Page): Promise<boolean> =>
  page.evaluate(() => {
    const video = document.querySelector('video')
    const canvas = new OffscreenCanvas(16, 9)
    const context = canvas.getContext('2d')
    if (video === null || context === null || video.readyState < 2) return false
    context.drawImage(video, 0, 0, 16, 9)
    const pixels = context.getImageData(0, 0, 16, 9).data
    return pixels.reduce((sum, value, index) => sum + (index % 4 === 3 ? 0 : value), 0) > 16 * 9 * 3 * 40
  })

/** Pastes a token into the page's form. */
export const useToken = async (page: Page, token: string): Promise<void> => {
  await page.getByTestId('token').fill(token)
  await page.getByTestId('use-token').click()
}
