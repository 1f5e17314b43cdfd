import type { RecoveryBuffer } from '../common/wire/flow-contract.ts'
import type { Transport } from '../common/wire/ids.ts'
import type { ClassProfile } from './classes.ts'

/** Loss (0 to 1) up to which the class's own multiple of the RTT recovers nearly everything. */
const HEAVY_LOSS = 0.1

/** Multiples of the RTT that reach <= 0.05 % residual loss at 10 % and at 20 % loss. */
const HEAVY_MULTIPLES = { from: 5, to: 6 } as const

export interface BufferChoice {
  /** null where the transport has no recovery buffer. */
  readonly buffer: RecoveryBuffer | null
  /** How long the buffer delays media, ms. */
  readonly delayMs: number
  /** What the link would need, ms; more than `delayMs` where the class's bound cuts the buffer. */
  readonly wantedMs: number
  /** The reason in words, or null where there is no buffer. */
  readonly reason: string | null
}

/**
 * The recovery buffer of a transport that resends: a multiple of the RTT, held in the bounds of the class. WebRTC and
 * RTP into an SFU have no such buffer: the viewer's jitter buffer handles their loss.
 * @param rttMs round trip of the slowest link whose packets must be waited for
 * @param loss share of packets lost on that link, 0 to 1
 */
export function chooseBuffer(
  transport: Transport,
  { ristBuffer }: Pick<ClassProfile, 'ristBuffer'>,
  rttMs: number,
  loss: number,
): BufferChoice {
  if (transport !== 'rist' && transport !== 'srt') {
    return { buffer: null, delayMs: 0, wantedMs: 0, reason: null }
  }
  const multiple = rttMultiple(ristBuffer.rttMultiple, loss)
  const wantedMs = Math.ceil(multiple * rttMs)
  const delayMs = Math.min(ristBuffer.maxMs, Math.max(ristBuffer.minMs, wantedMs))
  const words = `buffer ${delayMs} ms: ${round(multiple)} x RTT ${round(rttMs)} ms = ${wantedMs} ms, held in ${ristBuffer.minMs} to ${ristBuffer.maxMs} ms`
  return {
    buffer: { start_ms: delayMs, min_ms: ristBuffer.minMs, max_ms: ristBuffer.maxMs, rtt_multiple: multiple },
    delayMs,
    wantedMs,
    reason: wantedMs > delayMs ? `${words}; some losses will not be recovered` : words,
  }
}

function rttMultiple(ofClass: number, loss: number): number {
  if (loss <= HEAVY_LOSS) return ofClass
  const heavy = Math.min(1, (loss - HEAVY_LOSS) / HEAVY_LOSS)
  return Math.max(ofClass, HEAVY_MULTIPLES.from + heavy * (HEAVY_MULTIPLES.to - HEAVY_MULTIPLES.from))
}

const round = (value: number): number => Math.round(value * 10) / 10
