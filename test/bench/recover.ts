import { setTimeout as delay } from 'node:timers/promises'
import { type FrameReader, percentile } from '../support/frame-reader.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { type Bench, rounded } from './bench.ts'
import { openRig, type WatchRig } from './watch-rig.ts'

const REPEATS = 5
/** Long enough that everything has settled before each start, and a dead sender's flow is really gone. */
const REST_MS = 3000

type Kill = (rig: WatchRig) => Promise<number>

const CASES: Readonly<Record<string, Kill>> = {
  /** From the moment the restarted sender's first bytes leave over an authenticated link. */
  sender: async (rig) => {
    await rig.sender.kill()
    await delay(1500)
    rig.sender = await rig.startSender()
    return Date.now()
  },
  ingress: async (rig) => killChild(rig, 'ingress-main'),
  worker: async (rig) => killChild(rig, 'mediasoup-worker'),
}

/** kill -9 of a process that carries media, and the time until frames are decoded again, by the clock in the frames. */
export const recover: Bench = {
  about: 'kill -9 of sender, ingress and worker: ms until frames are decoded again',
  async run({ progress }) {
    await using rig = await openRig({ workers: 1 })
    const { reader } = await rig.watch()
    const cases = []
    for (const [name, kill] of Object.entries(CASES)) {
      const times: number[] = []
      for (let repeat = 0; repeat < REPEATS; repeat += 1) {
        progress.say(`${name}: ${repeat + 1} of ${REPEATS}`)
        await delay(REST_MS)
        await reader.take()
        const from = await kill(rig)
        times.push(await framesSince(reader, from))
      }
      cases.push({
        name,
        repeats: times.length,
        p50_ms: rounded(percentile(times, 0.5), 0),
        p95_ms: rounded(percentile(times, 0.95), 0),
      })
    }
    return { bench: 'recover', cases }
  },
}

async function killChild(rig: WatchRig, program: string): Promise<number> {
  const pid = descendants(rig.hub.pid).find((child) => programOf(child).includes(program))
  if (pid === undefined) throw new Error(`the hub has no child ${program}`)
  process.kill(pid, 'SIGKILL')
  return Date.now()
}

/** Ms from `from` (unix ms) until the first frame is shown that was drawn after it. */
async function framesSince(reader: FrameReader, from: number): Promise<number> {
  let shownAt = 0
  await until(
    async () => {
      for (const frame of (await reader.take()).frames) {
        const at = frame.shownUnixMs
        if (frame.latencyMs !== null && at - frame.latencyMs > from) {
          shownAt = at
          return true
        }
      }
      return false
    },
    'a frame drawn after the kill is shown',
    20_000,
  )
  return shownAt - from
}
