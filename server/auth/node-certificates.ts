import { CodedError } from '../../common/errors.ts'
import type { NodeRole } from '../../common/wire/ids.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection, type Typed } from '../store/collection.ts'
import { Mirror, type Planned, writePlanned } from '../store/mirror.ts'
import type { DocumentPage } from '../store/store.ts'
import type { AuthContext } from './auth-context.ts'
import { refused } from './auth-errors.ts'
import type { Authorities } from './authorities.ts'
import type { IssuedCertificate } from './issued-certificate.ts'
import {
  type NodeCertificateInfo,
  type NodeCertificateRecord,
  nodeCertificateInfo,
  nodeCertificateSchema,
} from './node-certificate-record.ts'
import type { PresentedCertificate } from './presented-certificate.ts'
import { type Actor, type AuthenticatedPrincipal, actorName, type Grants } from './principal.ts'
import type { RevocationList } from './revocation-list.ts'
import type { RevocationReason } from './revocation-reasons.ts'
import { ownerOf, tenantOf } from './token-record.ts'

const KIND = 'node-certificate'
export const DEFAULT_CERTIFICATE_DAYS = 30
/** Most unexpired certificates of one node: the bound for a node that renews without end. */
const MAX_PER_NODE = 20
const CRL_FRESH_MS = 3_600_000

export interface NodeCertificatesOptions {
  /** 1 to 90. */
  readonly days?: number | undefined
}

/** The node of a certificate. */
export interface CertifiedNode {
  /** null: a node that the hub shares with every tenant. */
  readonly tenant_id: string | null
  readonly node_id: string
  readonly node_role: NodeRole
  readonly grants: Grants
  readonly issued_for: string
}

/** A signed certificate that nobody has yet. It counts once `plan` is written. */
export interface PreparedCertificate {
  readonly certificate: IssuedCertificate
  readonly plan: Planned
}

export interface RenewedCertificate {
  readonly certificate: IssuedCertificate
  /** PEM of every CA that the node should trust. */
  readonly authorities: readonly string[]
}

/**
 * The certificates with which nodes prove their identity. A certificate is accepted only if it is also recorded here:
 * signed by a CA of the hub, neither expired nor revoked, and the very same bytes.
 */
export class NodeCertificates implements AsyncDisposable {
  readonly #context: AuthContext
  readonly #authorities: Authorities
  readonly #records: Mirror<NodeCertificateRecord>
  readonly #collection: Collection<NodeCertificateRecord>
  readonly #lifetimeMs: number
  readonly #lists = new Map<string, { readonly at: number; readonly list: Promise<RevocationList> }>()

  private constructor(
    context: AuthContext,
    authorities: Authorities,
    records: Mirror<NodeCertificateRecord>,
    { days = DEFAULT_CERTIFICATE_DAYS }: NodeCertificatesOptions,
  ) {
    this.#context = context
    this.#authorities = authorities
    this.#records = records
    this.#collection = new Collection(context.store, KIND, nodeCertificateSchema)
    this.#lifetimeMs = days * 86_400_000
    records.onChange(() => this.#lists.clear())
  }

  static async open(
    context: AuthContext,
    authorities: Authorities,
    options: NodeCertificatesOptions = {},
  ): Promise<NodeCertificates> {
    const records = await Mirror.open({ ...context, kind: KIND, schema: nodeCertificateSchema })
    return new NodeCertificates(context, authorities, records, options)
  }

  /** @throws CodedError `certificate_untrusted`, `certificate_revoked`, `certificate_expired` (401) */
  async authenticate(presented: PresentedCertificate): Promise<AuthenticatedPrincipal> {
    const record = await this.#records.find(presented.serial)
    if (record?.value.fingerprint !== presented.fingerprint) throw refused('certificate_untrusted')
    this.#refuse(record)
    if (!presented.trusted) throw refused('certificate_untrusted')
    return {
      id: record.value.node_id,
      role: 'node',
      tenant_id: tenantOf(record.tenant_id),
      node_id: record.value.node_id,
      grants: record.value.grants,
      credential: 'certificate',
      token_id: record.id,
      expires_at: record.value.not_after,
    }
  }

  isCurrent(serial: string): boolean {
    const record = this.#records.get(serial)
    try {
      if (record) this.#refuse(record)
      return record !== undefined
    } catch {
      return false
    }
  }

  isRevoked(serial: string): boolean {
    return typeof this.#records.get(serial)?.value.revoked_at === 'number'
  }

  /**
   * Signs a certificate for the key in a CSR. CN is the node's id, the only name is the URI
   * `lanecast:tenant/<tenant>/node/<node>`, and the certificate is for TLS clients.
   * @throws CodedError `csr_invalid`, `csr_key` (400), `csr_key_used` (409)
   */
  async prepare(node: CertifiedNode, csr: string): Promise<PreparedCertificate> {
    const { readCertificateRequest } = await import('./certificate-request.ts')
    const { publicKey, keyHash } = await readCertificateRequest(csr)
    const owner = ownerOf(node.tenant_id)
    this.#refuseUsedKey(owner, node.node_id, keyHash)
    const certificate = await this.#authorities.issue({
      commonName: node.node_id,
      names: [{ type: 'url', value: `lanecast:tenant/${owner}/node/${node.node_id}` }],
      usage: 'client',
      publicKey,
      notAfter: this.#context.now() + this.#lifetimeMs,
    })
    const { serial, fingerprint, ca_id, not_before, not_after } = certificate
    const { node_id, node_role, grants, issued_for } = node
    const record: NodeCertificateRecord = {
      node_id,
      node_role,
      grants,
      ca_id,
      fingerprint,
      not_before,
      not_after,
      issued_for,
      key_hash: keyHash,
      revoked_at: null,
      revoked_by: null,
      reason: null,
    }
    return { certificate, plan: this.#records.planPut(owner, serial, record, 0) }
  }

  /**
   * A new certificate for a node that proved itself with its present certificate. The present one stays valid until it
   * expires.
   * @throws CodedError `certificate_required` (403), `too_many_certificates` (429), and as `prepare`
   */
  async renew(principal: AuthenticatedPrincipal, csr: string): Promise<RenewedCertificate> {
    const present = principal.token_id === null ? undefined : this.#records.get(principal.token_id)
    if (principal.credential !== 'certificate' || !present)
      throw new CodedError('certificate_required', 'only a node with its present certificate can renew it')
    this.#refuse(present)
    const { node_id, node_role, grants } = present.value
    const tenant_id = tenantOf(present.tenant_id)
    const others = this.ofNode(tenant_id, node_id).filter((one) => one.not_after > this.#context.now())
    if (others.length >= MAX_PER_NODE)
      throw new CodedError(
        'too_many_certificates',
        `a node can't have more than ${MAX_PER_NODE} certificates`,
      )
    const issued_for = `certificate:${present.id}`
    const prepared = await this.prepare({ tenant_id, node_id, node_role, grants, issued_for }, csr)
    const { serial, not_after } = prepared.certificate
    const audit = this.#audit(present.tenant_id, principal, 'certificate.renew', `node:${node_id}`, {
      serial,
      not_after,
      before: present.id,
    })
    await writePlanned(this.#context.store, [prepared.plan], [], [audit])
    return { certificate: prepared.certificate, authorities: this.#authorities.trusted() }
  }

  async list(tenantId: string | null, page?: DocumentPage): Promise<NodeCertificateInfo[]> {
    return (await this.#collection.list(ownerOf(tenantId), page)).map(nodeCertificateInfo)
  }

  ofNode(tenantId: string | null, nodeId: string): NodeCertificateInfo[] {
    return this.#ofNode(ownerOf(tenantId), nodeId).map(nodeCertificateInfo)
  }

  /** @throws CodedError `certificate_not_found` (404) */
  async revoke(tenantId: string | null, serial: string, by: Actor, reason: RevocationReason): Promise<void> {
    const record = await this.#records.find(serial)
    if (record?.tenant_id !== ownerOf(tenantId))
      throw new CodedError('certificate_not_found', 'there is no such certificate')
    const { plans, audit } = this.#planRevocation([record], by, reason)
    await writePlanned(this.#context.store, plans, [], audit)
  }

  /** Revokes all certificates of a node. Returns their number. */
  async revokeNode(
    tenantId: string | null,
    nodeId: string,
    by: Actor,
    reason: RevocationReason,
  ): Promise<number> {
    const { plans, audit } = this.#planRevocation(this.#ofNode(ownerOf(tenantId), nodeId), by, reason)
    if (plans.length > 0) await writePlanned(this.#context.store, plans, [], audit)
    return plans.length
  }

  /** The plan that revokes all certificates of a node, for a larger write. */
  planNodeRevocation(tenantId: string | null, nodeId: string, by: Actor, reason: RevocationReason) {
    return this.#planRevocation(this.#ofNode(ownerOf(tenantId), nodeId), by, reason)
  }

  /** The CRL of the current CA, or of another trusted CA. @throws CodedError `authority_not_found` (404) */
  async revocationList(caId: string = this.#authorities.currentId): Promise<RevocationList> {
    const now = this.#context.now()
    const present = this.#lists.get(caId)
    // If the clock was set back, a list signed in the future is not valid yet.
    if (present && now >= present.at && now - present.at < CRL_FRESH_MS) return await present.list
    const list = this.#signList(caId, now)
    this.#lists.set(caId, { at: now, list })
    list.catch(() => {
      if (this.#lists.get(caId)?.list === list) this.#lists.delete(caId)
    })
    return await list
  }

  /** Forgets certificates a day after they expired. */
  async prune(): Promise<void> {
    const before = this.#context.now() - 86_400_000
    for (const { tenant_id, id, version, value } of [...this.#records.values()])
      if (value.not_after < before)
        await this.#records.delete(tenant_id, id, { expected_version: version }).catch(() => {})
  }

  onChange(listener: () => void): () => void {
    return this.#records.onChange(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records[Symbol.asyncDispose]()
  }

  #refuse({ value }: Typed<NodeCertificateRecord>): void {
    if (value.revoked_at !== null) throw refused('certificate_revoked')
    if (value.not_after <= this.#context.now()) throw refused('certificate_expired')
    if (!this.#authorities.isTrusted(value.ca_id)) throw refused('certificate_untrusted')
  }

  /** A revoked key stays revoked, and two nodes never share a key. */
  #refuseUsedKey(owner: string, nodeId: string, keyHash: string): void {
    for (const { tenant_id, value } of this.#records.values()) {
      if (value.key_hash !== keyHash) continue
      const own = tenant_id === owner && value.node_id === nodeId
      if (own && (value.revoked_at === null || value.reason === 'superseded')) continue
      throw new CodedError('csr_key_used', 'this key was certified before: make a new one')
    }
  }

  #ofNode(owner: string, nodeId: string): Typed<NodeCertificateRecord>[] {
    return [...this.#records.values()].filter(
      ({ tenant_id, value }) => tenant_id === owner && value.node_id === nodeId,
    )
  }

  async #signList(caId: string, now: number): Promise<RevocationList> {
    const signer = await this.#authorities.signer(caId)
    const revocations = [...this.#records.values()].flatMap(({ id, value }) =>
      value.ca_id === caId && value.revoked_at !== null && value.not_after > now
        ? [{ serial: id, revoked_at: value.revoked_at, reason: value.reason ?? 'unspecified' }]
        : [],
    )
    const { signRevocationList } = await import('./revocation-list.ts')
    return await signRevocationList(signer, revocations, now)
  }

  #planRevocation(records: readonly Typed<NodeCertificateRecord>[], by: Actor, reason: RevocationReason) {
    const revoked_at = this.#context.now()
    const good = records.filter(({ value }) => value.revoked_at === null && value.not_after > revoked_at)
    const plans = good.map(({ tenant_id, id, value }) =>
      this.#records.planPut(tenant_id, id, { ...value, revoked_at, revoked_by: actorName(by), reason }),
    )
    const audit = good.map(({ tenant_id, id, value }) =>
      this.#audit(tenant_id, by, 'certificate.revoke', `node:${value.node_id}`, { serial: id, reason }),
    )
    return { plans, audit }
  }

  #audit(
    owner: string,
    by: Actor,
    action: string,
    object: string,
    detail: Record<string, unknown>,
  ): AuditDraft {
    const at = this.#context.now()
    return { tenant_id: owner, at, actor: actorName(by), action, object, outcome: 'done', detail }
  }
}
