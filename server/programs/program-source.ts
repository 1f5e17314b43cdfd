import type { Stream } from '../../sfu/stream.ts'
import type { StreamRegistry } from '../../sfu/stream-registry.ts'
import type { SwitchedSource } from '../../sfu/switch/switched-source.ts'

/** What a program needs of its switched stream. */
export type ProgramSource = Pick<
  SwitchedSource,
  'setInputs' | 'setRules' | 'take' | 'preview' | 'status' | 'observe'
>

export type ProgramStream = Pick<Stream, 'spec' | 'state' | 'viewers'>

/** What programs need of the hub's streams. */
export interface ProgramStreams extends Pick<StreamRegistry, 'close'> {
  /** @throws CodedError `stream_exists` (409), `ports_exhausted` (503) */
  openSwitched(...request: Parameters<StreamRegistry['openSwitched']>): ProgramStream
  switched(tenantId: string, streamId: string): ProgramSource | undefined
  list(): readonly Pick<Stream, 'spec'>[]
  watch(listener: {
    opened?(stream: Pick<Stream, 'spec'>): void
    closed?(stream: Pick<Stream, 'spec'>): void
  }): () => void
}
