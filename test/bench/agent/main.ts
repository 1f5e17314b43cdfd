import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../support/until.ts'
import { rounded } from '../bench.ts'
import type { NamespacedSaid } from '../namespaced.ts'
import { rssMb, usageOf } from '../process-usage.ts'
import { AgentLab, STREAM } from './lab.ts'

/** The agent's bench inside a network namespace. Argument: seconds of the measured stretch. */

const RUNS = 5
/** How long a kill or a start is watched, ms. */
const WATCHED_MS = 5000

const tell = (said: NamespacedSaid): void => void process.send?.(said)
const say = (progress: string): void => tell({ progress })

async function measure(seconds: number): Promise<void> {
  await using lab = await AgentLab.open()
  say('live; measuring what it costs')
  await delay(5000)
  const cost = await usageOf(lab.pids, () => delay(seconds * 1000))
  const resident = lab.pids.reduce((sum, pid) => sum + rssMb(pid), 0)
  const encoder = await repeated('encoder killed', () => gapAfterKill(lab, 'encoder-main'))
  const sender = await repeated('sender killed', () => gapAfterKill(lab, 'sender-main'))
  const starts = await repeated('stopped and started', () => startAgain(lab))
  const plugs = await repeated('modem replugged', () => replug(lab))
  tell({
    result: {
      cores: rounded(cost.cores, 3),
      rss_mb: rounded(resident),
      pss_mb: rounded(cost.pssMb),
      hotplug_ms: worst(plugs),
      command_to_live_p95_ms: worst(starts),
      command_to_live_p50_ms: middle(starts),
      encoder_restart_ms: worst(encoder),
      sender_restart_ms: worst(sender),
    },
  })
}

/** Of so few runs the 95th percentile is the worst. */
const worst = (all: readonly number[]): number => Math.round(Math.max(...all))
const middle = (all: readonly number[]): number =>
  Math.round(all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!)

async function repeated(what: string, act: () => Promise<number>): Promise<readonly number[]> {
  const all: number[] = []
  for (let run = 0; run < RUNS; run += 1) all.push(await act())
  say(`${what}: ${all.map(Math.round).join(', ')} ms`)
  return all
}

/** The longest time without a new picture on the screen after a process was killed, ms. */
async function gapAfterKill(lab: AgentLab, program: 'encoder-main' | 'sender-main'): Promise<number> {
  await delay(11_000)
  await lab.shown()
  const killedAt = Date.now()
  process.kill(lab.pidOf(program), 'SIGKILL')
  await delay(WATCHED_MS)
  const shown = [killedAt, ...(await lab.shown()).filter((at) => at > killedAt), Date.now()]
  return Math.max(...shown.slice(1).map((at, index) => at - shown[index]!))
}

/** From the command's request to the first picture on the screen, ms. */
async function startAgain(lab: AgentLab): Promise<number> {
  await lab.command({ do: 'stop', stream_id: STREAM })
  await delay(2000)
  await lab.shown()
  const askedAt = Date.now()
  await lab.command({ do: 'start', stream_id: STREAM })
  return until(async () => {
    const first = (await lab.shown()).find((at) => at > askedAt)
    return first === undefined ? 0 : first - askedAt
  }, 'a picture moves')
}

/** From a modem's coming back under another name until the hub knows it, ms. */
let plugged = 0
async function replug(lab: AgentLab): Promise<number> {
  const { carrier } = lab.sender
  await carrier.unplug(2)
  await delay(2000)
  plugged += 1
  const name = `modem${plugged}`
  const pluggedAt = performance.now()
  await carrier.plug(2, name)
  await until(async () => JSON.stringify(await lab.report()).includes(name), `the hub knows of ${name}`)
  return performance.now() - pluggedAt
}

await measure(Number(process.argv[2] ?? 20))
process.exit()
