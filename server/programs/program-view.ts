import type { ProgramView } from '../../common/wire/programs-api.ts'
import { SLATE } from '../../common/wire/switched-inputs.ts'
import type { InputAnswer } from '../../policy/programs/program-inputs.ts'
import type { ProgramRecord, ProgramState } from './program-record.ts'
import type { ProgramSource, ProgramStream } from './program-source.ts'

/** Left out streams that a view names. */
const SHOWN_LEFT_OUT = 32

export interface ShownProgram {
  readonly tenantId: string
  readonly version: number
  readonly record: ProgramRecord
  readonly state: ProgramState
  /** null while another stream has the program's name. */
  readonly stream: ProgramStream | null
  readonly source: ProgramSource['status'] | null
  readonly leftOut: InputAnswer['leftOut']
}

/** A program as the API shows it. */
export function programView({
  tenantId,
  version,
  record,
  state,
  stream,
  source,
  leftOut,
}: ShownProgram): ProgramView {
  const { principal: _principal, hub_id: _hub, ...shown } = record
  const { on_air = null, audio = null, inputs = [] } = source ?? {}
  const input = (id: string | null) => (inputs.some((each) => each.id === id) ? id : null)
  return {
    ...shown,
    tenant_id: tenantId,
    version,
    auto: state.auto,
    ...(stream?.state ?? { state: 'waiting', reason: `another stream has the name ${record.program_id}` }),
    viewers: stream?.viewers ?? 0,
    on_air: input(on_air),
    slate: on_air === SLATE && input(SLATE) === null,
    since_unix_ms: source?.since_unix_ms ?? null,
    sound_of: input(audio),
    preview: source?.preview ?? null,
    switches: source?.switches ?? 0,
    merged: [...(source?.merged ?? [])],
    sources: inputs.map((each) => ({ ...each })),
    left_out: leftOut.slice(0, SHOWN_LEFT_OUT),
    lock: state.lock && {
      holder: state.lock.holder,
      since: state.lock.since,
      expires_at: state.lock.expires_at,
    },
  }
}
