import type { Chromium } from '../support/chromium.ts'

export interface PageJoinOptions {
  /** Where the browser is before; a page of the same site uses the same renderer. */
  readonly from?: string
  readonly viewport?: { readonly width: number; readonly height: number }
  /** Called when the page asks for its contract. */
  readonly asking?: () => void
}

/**
 * Opens the viewer page and resolves with its join time in ms: from its request for a contract, or for its first
 * WebSocket, to its first decoded frame.
 */
export async function timePageJoin(
  chromium: Chromium,
  url: string,
  { from = 'about:blank', viewport, asking }: PageJoinOptions = {},
): Promise<number> {
  await using watched = await chromium.open(from, viewport)
  await watched.page.addInitScript(timeJoin)
  watched.page.on('request', (request) => {
    if (request.method() === 'POST') asking?.()
  })
  await watched.page.goto(url)
  const handle = await watched.page.waitForFunction(joinTime)
  return handle.jsonValue()
}

/**
 * In the page: notes when it asks for its contract or opens its first WebSocket, whatever comes first, and when its
 * first video frame is decoded and shown.
 */
function timeJoin(): void {
  const times: { from?: number; to?: number } = {}
  Object.assign(globalThis, { joinTimes: times })
  const { WebSocket, fetch } = globalThis
  globalThis.fetch = (...args) => {
    times.from ??= performance.now()
    return fetch(...args)
  }
  globalThis.WebSocket = new Proxy(WebSocket, {
    construct(target, args: ConstructorParameters<typeof WebSocket>) {
      times.from ??= performance.now()
      return new target(...args)
    },
  })
  const watch = () => {
    const video = document.querySelector('video')
    if (!video) return void requestAnimationFrame(watch)
    video.requestVideoFrameCallback(() => {
      times.to = performance.now()
    })
  }
  watch()
}

/** In the page: the join time in ms once it is known. */
function joinTime(): number {
  const { from, to } = (globalThis as unknown as { joinTimes: { from?: number; to?: number } }).joinTimes
  return from === undefined || to === undefined ? 0 : to - from
}
