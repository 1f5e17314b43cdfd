import {
  type ClassDefaults,
  type NodeCapabilities,
  type NodeInitAnswer,
  nodeInitAnswerSchema,
  nodeInitSchema,
} from '../../../common/wire/enrolment.ts'
import type { NodeEntry } from '../../../common/wire/topology.ts'
import { CLASS_PROFILES, type ClassProfile } from '../../../policy/classes.ts'
import { addressKey } from '../../auth/address-key.ts'
import type { EnrollingNode } from '../../auth/enrolment.ts'
import type { PolicyBook } from '../../policies/policy-book.ts'
import { type AdministrationParts, hubEndpoints } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'

export const initNode = (parts: AdministrationParts) =>
  defineRoute({
    method: 'post',
    path: '/v1/node/init',
    summary: 'Enrol a node',
    description:
      'Turns an enrolment token, which is used up, and a certificate request into a node of the directory with a certificate of its own. With that it proves itself from then on, by TLS.',
    action: null,
    cost: 'enrol',
    maxBodyBytes: 128 * 1024,
    body: nodeInitSchema,
    answer: { status: 201, schema: nodeInitAnswerSchema },
    errors: [
      'csr_invalid',
      'csr_key',
      'enrolment_token_invalid',
      'enrolment_token_expired',
      'enrolment_role',
      'enrolment_capability',
      'enrolment_token_used',
      'csr_key_used',
      'too_many_nodes',
    ],
    handle: async ({ address, origin }, { body: { role, capabilities, enrollment_token, csr } }) => {
      const { auth, directory, policies, now, telemetryIntervalMs } = parts
      let entry: NodeEntry | undefined
      const request = { token: enrollment_token, csr, role, capabilities: namesOf(capabilities) }
      const { node_id, tenant_id, certificate, authorities } = await auth.enrolment.enrol(request, (node) => {
        entry = entryOf(parts, node, capabilities, address, now())
        const before = directory.get(node.tenant_id, node.node_id)
        return { plans: [directory.planPut(node.tenant_id, node.node_id, entry, before?.version ?? 0)] }
      })
      return {
        node_id,
        tenant_id,
        certificate: certificate.pem,
        serial: certificate.serial,
        not_after: certificate.not_after,
        authorities: [...authorities],
        overlay_addresses: entry?.addresses ?? [],
        class_defaults: classDefaults(policies, tenant_id),
        hub_endpoints: hubEndpoints(parts, origin),
        telemetry_interval_ms: telemetryIntervalMs,
        release_keys: parts.releaseKeys?.() ?? null,
      }
    },
  })

/** The claims of a node by name, as enrolment tokens limit them. */
function namesOf({ transports, serves, ptp, tsn }: NodeCapabilities): string[] {
  const names = [...transports, ...serves].map(({ transport }) => transport as string)
  return [...new Set([...names, ...(ptp ? ['ptp'] : []), ...(tsn ? ['tsn'] : [])])]
}

/** Operators' labels survive a new enrolment. A node that names no address gets the address of its request. */
function entryOf(
  { directory }: Pick<AdministrationParts, 'directory'>,
  node: EnrollingNode,
  capabilities: NodeCapabilities,
  address: string,
  now: number,
): NodeEntry {
  const before = directory.get(node.tenant_id, node.node_id)?.value
  const { addresses } = capabilities
  return {
    ...capabilities,
    addresses: addresses.length > 0 || address === '' ? addresses : [plain(address)],
    role: node.role,
    reported_links: [],
    region: capabilities.region ?? before?.region ?? null,
    labels: before?.labels ?? {},
    draining: before?.draining ?? false,
    created_at: before?.created_at ?? now,
  }
}

/** An IPv4 address without the `::ffff:` of a dual-stack socket. */
function plain(address: string): string {
  return address.startsWith('::ffff:') ? addressKey(address) : address
}

/** The classes with the tenant's values; with the product's values for a node of the hub itself (null). */
function classDefaults(
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
