import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../support/until.ts'
import { type Bench, type BenchContext, rounded } from './bench.ts'
import { idleContractKb } from './idle-contracts.ts'
import { openOurs } from './ingest-ours.ts'
import { openPeer } from './ingest-peer.ts'
import { BUFFER_MS, type IngestRoute, type IngestSide, VIDEO_PAYLOAD_TYPE } from './ingest-side.ts'
import { CLIP_SECONDS, makeClip } from './paced-clip.ts'
import { machineMs, type Sent } from './paced-sender-protocol.ts'
import { newSenderStreams, PacedSenders } from './paced-senders.ts'
import { usageOf } from './process-usage.ts'
import { RtpSink } from './rtp-sink.ts'

const STREAMS = 4
const LINKS = 2
const DEFAULT_SECONDS = 40
/** Both sides take turns at least twice, so that a slow minute of the machine hits both. */
const LEAST_ROUNDS = 2
/** How much of the clip passes before the measurement, s: connecting, settling, and the first seconds. */
const LEAD_SECONDS = 24
const SETTLE_MS = 3000
/**
 * A process that runs for hours is measured when its code is compiled: V8 compiles most of it in these seconds, which
 * are measured for themselves.
 */
const FIRST_MS = 12_000
const START_WITHIN_MS = 10_000
/** Later than this, a picture is lost. */
const GIVE_UP_MS = 1000

interface Measured {
  cores: number
  firstCores: number
  pssMb: number
  latenciesMs: number[]
  lost: number
}

const SIDES = { ours: openOurs, peer: openPeer } as const
type Side = keyof typeof SIDES

/** Ours and `ristreceiver | ffmpeg -c copy -f rtp` in turns, fed by the same senders over two duplicating links. */
export const ingest: Bench = {
  about: `CPU, memory and latency of ${STREAMS} field streams: our ingress against ristreceiver | ffmpeg`,
  async run({ progress, seconds = DEFAULT_SECONDS }) {
    progress.say('making the clip')
    const clip = await makeClip()
    const rounds = Math.max(LEAST_ROUNDS, Math.ceil(seconds / (CLIP_SECONDS - LEAD_SECONDS)))
    const results: Record<Side, Measured[]> = { ours: [], peer: [] }
    for (let round = 0; round < rounds; round++) {
      for (const side of ['ours', 'peer'] as const) {
        const say = (what: string) => progress.say(`round ${round + 1} of ${rounds}, ${side}: ${what}`)
        results[side].push(await measure(side, clip, seconds / rounds, say))
      }
    }
    progress.say('contracts that nobody sends for')
    const idle = await idleContractKb()
    const ours = summary(results.ours)
    const peer = summary(results.peer)
    return {
      bench: 'ingest',
      streams: STREAMS,
      cores_per_stream: ours.cores,
      first_cores_per_stream: ours.firstCores,
      pss_mb_per_stream: ours.pssMb,
      idle_contract_kb: idle.kb,
      idle_contract_processes: idle.processes,
      ristreceiver_ffmpeg_cores_per_stream: peer.cores,
      ristreceiver_ffmpeg_first_cores_per_stream: peer.firstCores,
      ratio: rounded(ours.cores / peer.cores, 2),
      ristreceiver_ffmpeg_pss_mb_per_stream: peer.pssMb,
      latency_ms: ours.p50,
      ristreceiver_ffmpeg_latency_ms: peer.p50,
      latency_p95_ms: ours.p95,
      ristreceiver_ffmpeg_latency_p95_ms: peer.p95,
      pictures: ours.pictures,
      lost: ours.lost,
      ristreceiver_ffmpeg_lost: peer.lost,
    }
  },
}

async function measure(
  side: Side,
  clip: string,
  seconds: number,
  say: BenchContext['progress']['say'],
): Promise<Measured> {
  await using opened = new AsyncDisposableStack()
  const streams = await newSenderStreams(STREAMS, LINKS)
  const sinks: RtpSink[] = []
  const routes: IngestRoute[] = []
  for (const stream of streams) {
    const video = opened.use(await RtpSink.open(VIDEO_PAYLOAD_TYPE))
    const audio = opened.use(await RtpSink.open(VIDEO_PAYLOAD_TYPE))
    sinks.push(video)
    routes.push({ stream, videoPort: video.port, audioPort: audio.port })
  }
  say('starting')
  const running: IngestSide = opened.use(await SIDES[side](routes))
  const sent: Sent[] = []
  const start = { clip, streams, mode: 'duplicate', bufferMs: BUFFER_MS, repeat: false } as const
  opened.use(new PacedSenders(start, (picture) => sent.push(picture)))
  const whole = async (): Promise<Measured> => {
    const flowing = () => sinks.every(({ completed }) => completed.size > 0)
    await until(flowing, `${side} forwards every stream`, START_WITHIN_MS)
    say('settling')
    await delay(SETTLE_MS)
    say('the first seconds')
    const first = await usageOf(running.pids, () => delay(FIRST_MS))
    say(`measuring ${Math.round(seconds)} s`)
    const from = machineMs()
    const usage = await usageOf(running.pids, () => delay(seconds * 1000))
    const to = machineMs()
    await delay(GIVE_UP_MS)
    const measured = sent.filter(({ at }) => at >= from && at < to)
    const latenciesMs = measured.flatMap(({ stream, key, at }) => {
      const completed = sinks[stream]!.completed.get(key)
      return completed === undefined ? [] : [completed - at]
    })
    return { ...usage, firstCores: first.cores, latenciesMs, lost: measured.length - latenciesMs.length }
  }
  return await Promise.race([whole(), running.broken])
}

function summary(rounds: readonly Measured[]) {
  const latencies = rounds.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b)
  const mean = (of: (round: Measured) => number) =>
    rounds.reduce((sum, round) => sum + of(round), 0) / rounds.length / STREAMS
  const quantile = (share: number) => rounded(latencies[Math.floor(latencies.length * share)] ?? Number.NaN)
  return {
    cores: rounded(
      mean(({ cores }) => cores),
      4,
    ),
    firstCores: rounded(
      mean(({ firstCores }) => firstCores),
      4,
    ),
    pssMb: rounded(mean(({ pssMb }) => pssMb)),
    p50: quantile(0.5),
    p95: quantile(0.95),
    pictures: latencies.length,
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
  }
}
