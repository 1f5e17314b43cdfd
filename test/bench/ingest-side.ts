import type { SenderStream } from './paced-sender-protocol.ts'

/** One field stream of the ingest benchmark: who sends it, and the loopback ports its RTP goes to. */
export interface IngestRoute {
  readonly stream: SenderStream
  readonly videoPort: number
  /** Only the peer sends sound elsewhere than pictures. */
  readonly audioPort: number
}

/** RIST listening on all routes' ports, RTP leaving to their sinks. */
export interface IngestSide extends AsyncDisposable {
  /** Every process that does the work. */
  readonly pids: readonly number[]
  /** Rejects when one of them ends by itself. */
  readonly broken: Promise<never>
}

export const VIDEO_PAYLOAD_TYPE = 102
export const AUDIO_PAYLOAD_TYPE = 111
/** RIST buffer of both sides and of the senders, ms. */
export const BUFFER_MS = 50
export const AES_BITS = 256
