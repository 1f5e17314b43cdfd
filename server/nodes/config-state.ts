import type { NodeConfigView } from '../../common/wire/nodes-api.ts'
import type { ActualRecord } from './node-config-record.ts'

/**
 * How the desired document and the actual one compare.
 * @param desired its version; null where nobody has configured the node
 */
export function configState(
  desired: number | null,
  { actual, answered }: ActualRecord,
): NodeConfigView['state'] {
  const isLocal = actual?.version === 'local'
  if (desired === null) return isLocal ? 'local' : 'unconfigured'
  if (actual?.version === desired) return 'applied'
  if (answered?.version !== desired) return 'pending'
  if (answered.refusal) return 'refused'
  return isLocal ? 'local' : 'pending'
}

/**
 * Whether the hub sends the desired document to a device that is connected. A document that somebody applied at the device
 * after it had answered stands until there is a newer desired version. A device that refused is asked again at its next
 * connection: it may have another camera by then.
 * @param askedNow the version that was sent over this connection; null before
 */
export function isDue(desired: number | null, record: ActualRecord, askedNow: number | null): boolean {
  if (desired === null || desired === askedNow) return false
  const { actual, answered } = record
  if (actual?.version === 'local') return answered?.version !== desired
  return actual?.version !== desired
}
