import { percentile } from '../support/frame-reader.ts'
import { type Bench, rounded } from './bench.ts'
import { openRig } from './watch-rig.ts'

const JOINS = 40

/** From the page's request for a contract to its first decoded frame, over and over, at random times in the GOP. */
export const join: Bench = {
  about: 'subscribe request to first decoded frame',
  async run({ progress }) {
    await using rig = await openRig({ gopSeconds: 0.5 })
    const url = `${rig.hub.url}/watch/${rig.stream.streamId}`
    const times: number[] = []
    for (let count = 0; count < JOINS; count += 1) {
      progress.say(`join ${count + 1} of ${JOINS}`)
      await using watched = await rig.chromium.open('about:blank')
      await watched.page.addInitScript(timeJoin)
      await watched.page.goto(url)
      times.push(await watched.page.waitForFunction(joinTime).then((handle) => handle.jsonValue()))
    }
    const at = (share: number) => rounded(percentile(times, share), 0)
    return { bench: 'join', joins: times.length, p50_ms: at(0.5), p95_ms: at(0.95) }
  },
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
