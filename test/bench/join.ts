import { setTimeout as delay } from 'node:timers/promises'
import { Chromium } from '../support/chromium.ts'
import { percentile } from '../support/frame-reader.ts'
import { ANY_CERTIFICATE, openAgentRig } from './agent-rig.ts'
import { type Bench, rounded } from './bench.ts'
import { openContractRig } from './contract-rig.ts'
import { openCrowdRig } from './join-crowd.ts'
import { timePageJoin } from './page-join.ts'
import type { Progress } from './progress.ts'
import { standBack } from './stand-back.ts'
import { openRig } from './watch-rig.ts'

const JOINS = 40
/** The GOP of the sender for single joins, s. */
const GOP_SECONDS = 0.5
/** How many join at once, and how often. The first time is not counted: hub and viewers have only just started. */
const CROWDS = [
  { count: 1, rounds: 10 },
  { count: 10, rounds: 5 },
  { count: 50, rounds: 5 },
] as const

/** A browser paints in software on the very cores that are measured. */
const SMALL_PAGE = { width: 640, height: 480 }

/**
 * Time from a viewer's request for a contract to its first picture: one browser at a time at a field sender with a GOP
 * of 0.5 s, at the field sender's agent with its GOP of 10 s, and at somebody else's sender, which can't hear that an
 * IDR is needed; and crowds at a field sender with a GOP of 10 s.
 */
export const join: Bench = {
  about: 'subscribe request to first decoded frame',
  async run({ progress }) {
    const times = await joinFieldSender(progress)
    const agent = shares(await joinAgent(progress))
    const without_control = shares(await joinOtherSender(progress))
    const viewers = await joinInCrowds(progress)
    return { bench: 'join', joins: times.length, ...shares(times), agent, without_control, viewers }
  },
}

/** A sender like the demo's: it hears that an IDR is needed. */
async function joinFieldSender(progress: Progress): Promise<number[]> {
  await using chromium = await Chromium.launch()
  await using rig = await openContractRig({ card: { gopSeconds: GOP_SECONDS } })
  return await joinSingly(chromium, rig.url, 'a field sender', progress)
}

/** The field sender's agent, whose GOP is 10 s while it hears what is needed. */
async function joinAgent(progress: Progress): Promise<number[]> {
  await using chromium = await Chromium.launch({ flags: ANY_CERTIFICATE })
  await using rig = await openAgentRig()
  return await joinSingly(chromium, rig.url, 'an agent', progress)
}

/** A sender with fixed ports of the configuration and no control channel: viewers wait for the next IDR. */
async function joinOtherSender(progress: Progress): Promise<number[]> {
  await using rig = await openRig({ gopSeconds: GOP_SECONDS })
  const url = `${rig.hub.url}/watch/${rig.stream.streamId}`
  return await joinSingly(rig.chromium, url, "somebody else's sender", progress)
}

async function joinSingly(
  chromium: Chromium,
  url: string,
  where: string,
  progress: Progress,
): Promise<number[]> {
  const times: number[] = []
  for (let count = 0; count < JOINS; count += 1) {
    progress.say(`join ${count + 1} of ${JOINS} at ${where}`)
    // A join ends with an IDR. Without this delay the next join would begin at a fixed moment of the GOP.
    await delay(Math.random() * GOP_SECONDS * 1000)
    times.push(await timePageJoin(chromium, url))
  }
  return times
}

/** One viewer of each crowd is a browser, which decodes and shows. */
async function joinInCrowds(progress: Progress) {
  await using chromium = await Chromium.launch()
  // The browser is the only process below this one so far.
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

function shares(times: readonly number[]): { p50_ms: number; p95_ms: number } {
  const at = (share: number) => rounded(percentile([...times], share), 0)
  return { p50_ms: at(0.5), p95_ms: at(0.95) }
}
