import type { RistLogLine } from '../../common/rist/log-channel.ts'
import { GARBAGE_BYTES, GARBAGE_SAMPLE, PLAINTEXT_BYTES, WEAK_KEY_BYTES } from './rist-packet-filter.ts'

/**
 * Why something that arrived at a stream's ports is refused.
 *
 * - `wrong_passphrase`: encrypted with another PSK
 * - `wrong_credentials`: SRP username or password is wrong
 * - `no_credentials`: encrypted with the right PSK, but does not authenticate
 * - `plaintext`: RIST without encryption
 * - `weak_key`: encrypted with AES-128 where AES-256 is demanded
 * - `second_sender`: right in everything, but the stream has a sender already
 * - `garbage`: not RIST main profile at all
 * - `too_many_peers`: new peers appear faster than any sender makes them
 */
export type RejectionReason =
  | 'wrong_passphrase'
  | 'wrong_credentials'
  | 'no_credentials'
  | 'plaintext'
  | 'weak_key'
  | 'second_sender'
  | 'garbage'
  | 'too_many_peers'

export interface Rejection {
  readonly reason: RejectionReason
  /** Details for an operator. */
  readonly detail: string
  /** How often it happened since the last report, at least 1. */
  readonly count: number
}

const DETAILS: Readonly<Record<RejectionReason, string>> = {
  wrong_passphrase: 'a sender encrypts with another passphrase',
  wrong_credentials: 'a sender authenticates with a wrong username or password',
  no_credentials: 'a sender has the passphrase but does not authenticate (username and password missing)',
  plaintext: 'a sender does not encrypt (passphrase without an AES type sends cleartext)',
  weak_key: 'a sender encrypts with AES-128 where AES-256 is demanded',
  second_sender: 'another sender is sending for a stream that has one already',
  garbage: 'something that is not RIST main profile arrives at the port',
  too_many_peers: 'new peers appear faster than any sender makes them',
}

/** What each of librist's log lines says about the sender of the packet. */
const LINES: readonly (readonly [RegExp, RejectionReason, count: number])[] = [
  [/^Malformed packet, rtp flag value/, 'wrong_passphrase', 1],
  [/^Disabling packet processing till new NONCE/, 'wrong_passphrase', 1],
  [/^\[EAP-SRP\] Authentication (failed|retry count exceeded)/, 'wrong_credentials', 1],
  [/^Failed to process EAPOL pkt/, 'wrong_credentials', 1],
  [/^We expect encrypted data and the peer sent clear communication/, 'plaintext', 1],
  [new RegExp(`^Packet too small: ${PLAINTEXT_BYTES} bytes`), 'plaintext', 1],
  [new RegExp(`^Packet too small: ${WEAK_KEY_BYTES} bytes`), 'weak_key', 1],
  [new RegExp(`^Packet too small: ${GARBAGE_BYTES} bytes`), 'garbage', GARBAGE_SAMPLE],
  [/^Protocol \d+ not supported/, 'garbage', 1],
  [/^Packet too small/, 'garbage', 1],
]

/** The reason in a librist log line about a refusal, and the number of packets for which the line stands. */
export function rejectionOf(line: RistLogLine): { reason: RejectionReason; count: number } | undefined {
  const match = LINES.find(([pattern]) => pattern.test(line.message))
  return match && { reason: match[1], count: match[2] }
}

/** A reason is reported at most once in this time, with its count, ms. */
const TELL_EVERY_MS = 5000

/** Rejections, limited in rate per reason. Callers give the time, in ms. */
export class RejectionLog {
  readonly #tell: (rejection: Rejection) => void
  readonly #state = new Map<RejectionReason, { toldAt: number; untold: number }>()

  constructor(tell: (rejection: Rejection) => void) {
    this.#tell = tell
  }

  add(reason: RejectionReason, nowMs: number, count = 1, detail: string = DETAILS[reason]): void {
    const state = this.#state.get(reason) ?? { toldAt: Number.NEGATIVE_INFINITY, untold: 0 }
    this.#state.set(reason, state)
    state.untold += count
    if (nowMs - state.toldAt < TELL_EVERY_MS) return
    this.#tell({ reason, detail, count: state.untold })
    state.toldAt = nowMs
    state.untold = 0
  }

  /** Reports what was counted and not yet reported, where it is time. */
  flush(nowMs: number): void {
    for (const [reason, state] of this.#state) if (state.untold > 0) this.add(reason, nowMs, 0)
  }
}
