import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { type NodeRole, nodeIdSchema, nodeRoleSchema } from '../../common/wire/ids.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection, type Typed } from '../store/collection.ts'
import { Mirror, type Planned, writePlanned } from '../store/mirror.ts'
import type { Change, DocumentPage } from '../store/store.ts'
import type { AuthContext } from './auth-context.ts'
import { refused } from './auth-errors.ts'
import type { Authorities } from './authorities.ts'
import {
  bearerText,
  hashSecret,
  newBearerSecret,
  parseBearer,
  randomId,
  secretMatches,
} from './bearer-secret.ts'
import { refuseEscalation } from './delegation.ts'
import type { NodeCertificates, RenewedCertificate } from './node-certificates.ts'
import { type Actor, ALL_GRANTS, actorName, type Grants, grantsSchema } from './principal.ts'
import { ownerOf, tenantOf } from './token-record.ts'

const KIND = 'enrolment-token'
const PREFIX = 'le'
export const MAX_ENROLMENT_SECONDS = 7 * 86_400
/** How long a used or expired token is kept, ms: so long a replay can be told from a guess. */
const KEEP_MS = 7 * 86_400_000

const enrolmentSchema = z.strictObject({
  label: z.string().max(100),
  secret_hash: z.string(),
  roles: z.array(nodeRoleSchema).min(1),
  /** Capabilities that a node may claim, by name; `*` allows all. */
  capabilities: z.array(z.string().min(1).max(64)).max(100),
  /** The name of the node; null lets the hub choose. */
  node_id: nodeIdSchema.nullable(),
  grants: grantsSchema,
  created_at: z.number().int(),
  created_by: z.string(),
  /** Unix milliseconds. */
  expires_at: z.number().int(),
  used_at: z.number().int().nullable(),
  used_by: nodeIdSchema.nullable(),
})
type EnrolmentRecord = z.infer<typeof enrolmentSchema>

export type EnrolmentInfo = Omit<EnrolmentRecord, 'secret_hash'> & {
  readonly enrolment_token_id: string
  readonly tenant_id: string | null
}

export interface NewEnrolment {
  /** null: for nodes that the hub shares with every tenant. */
  readonly tenant_id: string | null
  readonly roles: readonly NodeRole[]
  readonly capabilities?: readonly string[]
  /** A token with the name of an existing node can replace that node: its use revokes the old certificates. */
  readonly node_id?: string | null
  readonly grants?: Grants
  readonly label?: string
  readonly by: Actor
}

export interface EnrolRequest {
  readonly token: string
  readonly csr: string
  readonly role: NodeRole
  /** By name, as in the token. */
  readonly capabilities: readonly string[]
}

/** The node that is about to enrol. */
export interface EnrollingNode {
  readonly tenant_id: string | null
  readonly node_id: string
  readonly role: NodeRole
  readonly grants: Grants
}

export type Enrolled = EnrollingNode & RenewedCertificate

/** What the caller wants to write in the same transaction: the node's entry in the directory. */
export interface Together {
  readonly plans?: readonly Planned[]
  readonly changes?: readonly Change[]
  readonly audit?: readonly AuditDraft[]
}

/** Tokens that make a machine a node and work once: `le_<id>_<secret>`. */
export class Enrolment implements AsyncDisposable {
  readonly #context: AuthContext
  readonly #authorities: Authorities
  readonly #certificates: NodeCertificates
  readonly #records: Mirror<EnrolmentRecord>
  readonly #collection: Collection<EnrolmentRecord>

  private constructor(
    context: AuthContext,
    authorities: Authorities,
    certificates: NodeCertificates,
    records: Mirror<EnrolmentRecord>,
  ) {
    this.#context = context
    this.#authorities = authorities
    this.#certificates = certificates
    this.#records = records
    this.#collection = new Collection(context.store, KIND, enrolmentSchema)
  }

  static async open(
    context: AuthContext,
    authorities: Authorities,
    certificates: NodeCertificates,
  ): Promise<Enrolment> {
    const records = await Mirror.open({ ...context, kind: KIND, schema: enrolmentSchema })
    return new Enrolment(context, authorities, certificates, records)
  }

  /** @throws CodedError `token_lifetime` (400), `delegation_refused` (403) */
  async issue(wanted: NewEnrolment, seconds: number): Promise<{ token: string; info: EnrolmentInfo }> {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_ENROLMENT_SECONDS)
      throw new CodedError('token_lifetime', `an enrolment token lives 1 to ${MAX_ENROLMENT_SECONDS} seconds`)
    const { tenant_id, by, grants = ALL_GRANTS } = wanted
    if (by !== 'hub') refuseForeign(by, tenant_id, grants)
    const bearer = newBearerSecret()
    const now = this.#context.now()
    const record = enrolmentSchema.parse({
      label: wanted.label ?? '',
      secret_hash: hashSecret(bearer.secret),
      roles: wanted.roles,
      capabilities: wanted.capabilities ?? ['*'],
      node_id: wanted.node_id ?? null,
      grants,
      created_at: now,
      created_by: actorName(by),
      expires_at: now + seconds * 1000,
      used_at: null,
      used_by: null,
    })
    const { roles, node_id, expires_at } = record
    const detail = { roles, node_id, grants, expires_at }
    const audit = [this.#audit(ownerOf(tenant_id), actorName(by), 'enrolment.issue', bearer.id, detail)]
    await this.#records.put(ownerOf(tenant_id), bearer.id, record, { expected_version: 0, audit })
    return { token: bearerText(PREFIX, bearer), info: infoOf(this.#records.get(bearer.id)!) }
  }

  async list(tenantId: string | null, page?: DocumentPage): Promise<EnrolmentInfo[]> {
    return (await this.#collection.list(ownerOf(tenantId), page)).map(infoOf)
  }

  /** Makes a token invalid. @throws CodedError `token_not_found` (404) */
  async revoke(tenantId: string | null, id: string, by: Actor): Promise<void> {
    const record = await this.#records.find(id)
    if (record?.tenant_id !== ownerOf(tenantId))
      throw new CodedError('token_not_found', 'there is no such enrolment token')
    const audit = [this.#audit(record.tenant_id, actorName(by), 'enrolment.revoke', id, {})]
    await this.#records.delete(record.tenant_id, id, { audit })
  }

  /**
   * Uses up a token and turns the CSR into the node's certificate, all or nothing. Of two callers that use the token at
   * once, one gets a certificate. A refusal leaves the token unused.
   * @throws CodedError `enrolment_token_invalid`, `enrolment_token_expired` (401), `enrolment_token_used` (409),
   * `enrolment_role`, `enrolment_capability` (403), and as NodeCertificates.prepare
   */
  async enrol(request: EnrolRequest, together?: (node: EnrollingNode) => Together): Promise<Enrolled> {
    const record = await this.#find(request.token)
    const { tenant_id, id, version, value } = record
    refuseBeyond(value, request)
    const node: EnrollingNode = {
      tenant_id: tenantOf(tenant_id),
      node_id: value.node_id ?? `${request.role}-${randomId().slice(0, 10)}`,
      role: request.role,
      grants: value.grants,
    }
    const issued_for = `enrolment-token:${id}`
    const certified = { ...node, node_role: request.role, issued_for }
    const { certificate, plan } = await this.#certificates.prepare(certified, request.csr)
    const used_at = this.#context.now()
    const use = this.#records.planPut(tenant_id, id, { ...value, used_at, used_by: node.node_id }, version)
    const before = this.#certificates.planNodeRevocation(node.tenant_id, node.node_id, 'hub', 'superseded')
    const { serial, not_after } = certificate
    const { plans: more = [], changes = [], audit = [] } = together?.(node) ?? {}
    const detail = { node_id: node.node_id, role: node.role, serial, not_after }
    const own = this.#audit(tenant_id, `node:${node.node_id}`, 'node.enrol', id, detail)
    try {
      const plans = [use, plan, ...before.plans, ...more]
      await writePlanned(this.#context.store, plans, changes, [own, ...before.audit, ...audit])
    } catch (error) {
      await this.#refuseUsed(record)
      throw error
    }
    return { ...node, certificate, authorities: this.#authorities.trusted() }
  }

  /** Forgets tokens a week after their end. */
  async prune(): Promise<void> {
    const before = this.#context.now() - KEEP_MS
    for (const { tenant_id, id, version, value } of [...this.#records.values()])
      if ((value.used_at ?? value.expires_at) < before)
        await this.#records.delete(tenant_id, id, { expected_version: version }).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records[Symbol.asyncDispose]()
  }

  async #find(token: string): Promise<Typed<EnrolmentRecord>> {
    const bearer = parseBearer(PREFIX, token)
    const record = bearer && (await this.#records.find(bearer.id))
    const matches = secretMatches(bearer?.secret ?? '', record?.value.secret_hash)
    if (!record || !matches) throw refused('enrolment_token_invalid')
    if (record.value.used_at !== null) throw used()
    if (record.value.expires_at <= this.#context.now()) throw refused('enrolment_token_expired')
    return record
  }

  /** After a failed write: throws if the token was used or revoked meanwhile. */
  async #refuseUsed({ tenant_id, id }: Typed<EnrolmentRecord>): Promise<void> {
    const present = await this.#collection.get(tenant_id, id)
    if (!present) throw refused('enrolment_token_invalid')
    if (present.value.used_at !== null) throw used()
  }

  #audit(
    owner: string,
    actor: string,
    action: string,
    tokenId: string,
    detail: Record<string, unknown>,
  ): AuditDraft {
    const object = `enrolment-token:${tokenId}`
    return { tenant_id: owner, at: this.#context.now(), actor, action, object, outcome: 'done', detail }
  }
}

function refuseBeyond({ roles, capabilities }: EnrolmentRecord, request: EnrolRequest): void {
  if (!roles.includes(request.role))
    throw new CodedError('enrolment_role', `the token is not for the role ${request.role}`, {
      details: [`it is for: ${roles.join(', ')}`],
    })
  if (capabilities.includes('*')) return
  const beyond = request.capabilities.filter((name) => !capabilities.includes(name))
  if (beyond.length > 0)
    throw new CodedError('enrolment_capability', 'the token does not allow all of these capabilities', {
      details: [`not allowed: ${beyond.join(', ')}`],
    })
}

function refuseForeign(by: Exclude<Actor, 'hub'>, tenantId: string | null, grants: Grants): void {
  const hubAdmin = by.role === 'admin' && by.tenant_id === null
  if (tenantId !== null) return refuseEscalation(by, { tenant_id: tenantId, role: 'node', grants })
  if (!hubAdmin) throw new CodedError('delegation_refused', "only an admin adds nodes of the hub's own")
}

function infoOf({ tenant_id, id, value }: Typed<EnrolmentRecord>): EnrolmentInfo {
  const { secret_hash, ...rest } = value
  return { enrolment_token_id: id, tenant_id: tenantOf(tenant_id), ...rest }
}

function used(): CodedError {
  return new CodedError('enrolment_token_used', 'the enrolment token was used already')
}
