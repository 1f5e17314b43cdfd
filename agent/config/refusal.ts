import { CodedError, messageOf } from '../../common/errors.ts'
import type { Outcome } from '../../common/wire/node-protocol.ts'

/** Bounds of the wire schema, characters and lines. */
const MAX_REASON = 1000
const MAX_DETAIL = 300
const MAX_DETAILS = 20

export type Refusal = Extract<Outcome, { state: 'refused' }>

/** What was thrown, as the answer to whoever wanted it done. */
export function refusalOf(thrown: unknown): Refusal {
  const known = thrown instanceof CodedError
  const details = known ? thrown.details : []
  const shown =
    details.length > MAX_DETAILS ? [...details.slice(0, MAX_DETAILS - 1), more(details.length)] : details
  return {
    state: 'refused',
    code: known ? thrown.code : 'internal',
    reason: cut(messageOf(thrown), MAX_REASON),
    details: shown.map((line) => cut(line, MAX_DETAIL)),
  }
}

const more = (count: number) => `and ${count - MAX_DETAILS + 1} more`

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
