import type { DecisionRequest, TransportCapability } from '../common/wire/decision.ts'
import type { Transport } from '../common/wire/ids.ts'
import type { StreamClass } from '../common/wire/stream.ts'
import { chooseEncryption, type EncryptionRules } from './encryption.ts'

/** Best first. RIST bonds a sender's links. SRT's single link is enough where latency does not matter. */
const INTO_THE_OVERLAY: Readonly<Record<StreamClass, readonly Transport[]>> = {
  focus: ['rist', 'webrtc', 'srt', 'rtp'],
  director: ['rist', 'webrtc', 'srt', 'rtp'],
  record: ['rist', 'srt', 'webrtc', 'rtp'],
  bulk: ['rist', 'srt', 'webrtc', 'rtp'],
}
const OUT_OF_THE_OVERLAY: readonly Transport[] = ['webrtc', 'srt', 'rtp', 'rist']

export interface TransportCandidates {
  /** What the end outside can and may do, best first. The path decides whether the other end can do it too. */
  readonly candidates: readonly TransportCapability[]
  readonly reasons: readonly string[]
}

/** Sorts the transports of an end by its own wishes, then by the class. Leaves out what policy does not accept. */
export function transportCandidates(
  capabilities: readonly TransportCapability[],
  request: Pick<DecisionRequest, 'action' | 'preferred_transports' | 'preference'>,
  streamClass: StreamClass,
  rules: EncryptionRules,
  samePlace = false,
): TransportCandidates {
  const usual = request.action === 'subscribe' ? OUT_OF_THE_OVERLAY : INTO_THE_OVERLAY[streamClass]
  const order = [...new Set([...wishes(request), ...usual])]
  const candidates: TransportCapability[] = []
  const reasons: string[] = []
  for (const transport of order) {
    const ways = capabilities.filter((capability) => capability.transport === transport)
    if (ways.length === 0 && wishes(request).includes(transport)) {
      reasons.push(`${transport} is preferred, but this end does not speak it`)
    }
    for (const way of ways) {
      const alone = chooseEncryption(way, way, rules, samePlace)
      if (alone.met) candidates.push(way)
      else reasons.push(`${transport} rejected: ${alone.reason}`)
    }
  }
  return { candidates, reasons }
}

function wishes({
  preferred_transports,
  preference,
}: Pick<DecisionRequest, 'preferred_transports' | 'preference'>): readonly Transport[] {
  const preferred = typeof preference === 'string' ? [preference] : (preference?.transports ?? [])
  return [...preferred_transports, ...preferred]
}
