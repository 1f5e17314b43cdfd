import type { ClassDefaults, NodeInitAnswer } from '../../../common/wire/enrolment.ts'
import { CLASS_PROFILES, type ClassProfile } from '../../../policy/classes.ts'
import type { PolicyBook } from '../../policies/policy-book.ts'

/** The classes with the tenant's values; with the product's values for a node of the hub itself (null). */
export function classDefaults(
  policies: Pick<PolicyBook, 'effective'>,
  tenantId: string | null,
): NodeInitAnswer['class_defaults'] {
  const classes = tenantId === null ? null : policies.effective(tenantId).classes
  const of = (name: keyof typeof CLASS_PROFILES) => numbers(classes?.[name].profile ?? CLASS_PROFILES[name])
  return { focus: of('focus'), director: of('director'), record: of('record'), bulk: of('bulk') }
}

function numbers({ glassToGlassMs, videoKbps, ristBuffer, uplinks }: ClassProfile): ClassDefaults {
  const { rttMultiple, minMs, maxMs } = ristBuffer
  return {
    glass_to_glass_ms: glassToGlassMs,
    video_kbps: { ...videoKbps },
    rist_buffer: { rtt_multiple: rttMultiple, min_ms: minMs, max_ms: maxMs },
    uplinks,
  }
}
