import { constants, setPriority } from 'node:os'
import { Chromium } from '../support/chromium.ts'
import { percentile } from '../support/frame-reader.ts'
import { descendants } from '../support/processes.ts'
import { type Bench, rounded } from './bench.ts'
import { openCrowdRig } from './join-crowd.ts'
import { timePageJoin } from './page-join.ts'
import type { Progress } from './progress.ts'
import { openRig } from './watch-rig.ts'

const JOINS = 40
/** How many join at once, and how often; the first time is not counted, when hub and viewers have just started. */
const CROWDS = [
  { count: 1, rounds: 10 },
  { count: 10, rounds: 5 },
  { count: 50, rounds: 5 },
] as const

/** A browser paints in software on the very cores that are measured. */
const SMALL_PAGE = { width: 640, height: 480 }

/**
 * From a viewer's request for a contract to its first picture: one browser at a time at a sender with a GOP of 0.5 s,
 * and crowds at one with a GOP of 10 s, to which their need of an IDR is carried back.
 */
export const join: Bench = {
  about: 'subscribe request to first decoded frame',
  async run({ progress }) {
    const times = await joinSingly(progress)
    const viewers = await joinInCrowds(progress)
    return { bench: 'join', joins: times.length, ...shares(times), viewers }
  },
}

async function joinSingly(progress: Progress): Promise<number[]> {
  await using rig = await openRig({ gopSeconds: 0.5 })
  const url = `${rig.hub.url}/watch/${rig.stream.streamId}`
  const times: number[] = []
  for (let count = 0; count < JOINS; count += 1) {
    progress.say(`join ${count + 1} of ${JOINS}`)
    times.push(await timePageJoin(rig.chromium, url))
  }
  return times
}

/** Of each crowd one is a browser: it decodes and shows. */
async function joinInCrowds(progress: Progress) {
  await using chromium = await Chromium.launch()
  standBack()
  await using rig = await openCrowdRig()
  const results: { count: number; p50_ms: number; p95_ms: number; browser_p50_ms: number }[] = []
  for (const { count, rounds } of CROWDS) {
    const browsers: number[] = []
    const others: number[] = []
    for (let round = 0; round <= rounds; round += 1) {
      progress.say(`${count} at once, ${round} of ${rounds}`)
      await using crowd = rig.crowd(count - 1)
      const browser = await timePageJoin(chromium, rig.url, {
        from: rig.listUrl,
        viewport: SMALL_PAGE,
        asking: () => crowd.go(),
      })
      const times = await crowd.times
      if (round === 0) continue
      browsers.push(browser)
      others.push(...times)
    }
    const browser_p50_ms = shares(browsers).p50_ms
    results.push({ count, ...shares([...browsers, ...others]), browser_p50_ms })
  }
  return results
}

/** Lets the browser, all there is below this process so far, have what the hub and the other viewers leave. */
function standBack(): void {
  for (const pid of descendants(process.pid)) setPriority(pid, constants.priority.PRIORITY_LOW)
}

function shares(times: readonly number[]): { p50_ms: number; p95_ms: number } {
  const at = (share: number) => rounded(percentile([...times], share), 0)
  return { p50_ms: at(0.5), p95_ms: at(0.95) }
}
