import type { InputState, SwitchRules } from '../../common/wire/switched-inputs.ts'
import type { Stream, StreamSpec } from '../../sfu/stream.ts'

/** When a take happened. */
export interface Taken {
  readonly input: string
  readonly at_unix_ms: number
  /** When the first picture was captured; null where nobody knows. */
  readonly capture_unix_ms: number | null
}

export interface SourceStatus {
  /** `slate` for the slate; null before anything was on air. */
  readonly on_air: string | null
  readonly since_unix_ms: number | null
  readonly audio: string | null
  readonly preview: string | null
  readonly switches: number
  readonly merged: readonly string[]
  readonly inputs: readonly {
    readonly id: string
    readonly state: InputState
    readonly reason?: string
    readonly renditions: number
  }[]
}

/** What a program needs of its switched stream. */
export interface ProgramSource {
  setInputs(inputs: readonly { readonly id: string }[]): void
  setRules(rules: SwitchRules): void
  /** @throws CodedError `input_not_found`, `input_not_live`, `take_superseded`, `switch_unavailable` */
  take(input: string, options?: { readonly audio?: string; readonly atUnixMs?: number }): Promise<Taken>
  preview(input: string | null): void
  readonly status: SourceStatus
  observe(observer: {
    switched?(change: { readonly from: string | null; readonly to: string; readonly reason: string }): void
    inputChanged?(change: unknown): void
  }): () => void
}

/** What programs need of the hub's streams. */
export interface ProgramStreams {
  /** @throws CodedError `stream_exists` (409) */
  openSwitched(
    spec: StreamSpec,
    options: { readonly inputs: readonly { readonly id: string }[]; readonly rules: SwitchRules },
  ): ProgramStream
  switched(tenantId: string, streamId: string): ProgramSource | undefined
  list(): readonly { readonly spec: Pick<StreamSpec, 'tenantId' | 'streamId'> }[]
  watch(listener: {
    readonly opened?: (stream: { readonly spec: StreamSpec }) => void
    readonly closed?: (stream: { readonly spec: StreamSpec }) => void
  }): () => void
  close(tenantId: string, streamId: string): Promise<void>
}

export type ProgramStream = Pick<Stream, 'spec' | 'state' | 'viewers'>
