import { z } from 'zod'
import { nodeIdSchema, nodeRoleSchema } from '../../common/wire/ids.ts'
import type { Typed } from '../store/collection.ts'
import { grantsSchema } from './principal.ts'
import { REVOCATION_REASONS } from './revocation-reasons.ts'
import { tenantOf } from './token-record.ts'

/** The store's record of a node's certificate; its id is the serial number. Times are Unix milliseconds. */
export const nodeCertificateSchema = z.strictObject({
  node_id: nodeIdSchema,
  node_role: nodeRoleSchema,
  grants: grantsSchema,
  ca_id: z.string(),
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: z.string(),
  /** SHA-256 of the certificate's public key; see RequestedKey. */
  key_hash: z.string(),
  not_before: z.number().int(),
  not_after: z.number().int(),
  /** `enrolment-token:<id>`, or `certificate:<serial>` of the renewed certificate. */
  issued_for: z.string(),
  revoked_at: z.number().int().nullable(),
  revoked_by: z.string().nullable(),
  reason: z.enum(REVOCATION_REASONS).nullable(),
})
export type NodeCertificateRecord = z.infer<typeof nodeCertificateSchema>

export type NodeCertificateInfo = Omit<NodeCertificateRecord, 'key_hash'> & {
  readonly serial: string
  /** null: a node that the hub shares with every tenant. */
  readonly tenant_id: string | null
}

export function nodeCertificateInfo({
  tenant_id,
  id,
  value,
}: Typed<NodeCertificateRecord>): NodeCertificateInfo {
  const { key_hash, ...rest } = value
  return { serial: id, tenant_id: tenantOf(tenant_id), ...rest }
}
