import { setImmediate as nextTurn } from 'node:timers/promises'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { PolicyDocument } from '../../common/wire/policy-document.ts'
import {
  type PolicyVersion,
  type PolicyVersionInfo,
  type PolicyVersionRecord,
  policyVersionRecordSchema,
} from '../../common/wire/policy-version.ts'
import { aclCost } from '../../policy/acl.ts'
import { type EffectivePolicy, effectivePolicy } from '../../policy/effective.ts'
import { type Actor, actorName } from '../auth/principal.ts'
import { Collection, type Typed } from '../store/collection.ts'
import { Mirror, writePlanned } from '../store/mirror.ts'
import type { DocumentPage, Store } from '../store/store.ts'
import type { TenantRemains } from '../tenants/tenant-book.ts'

/** How many versions of a tenant's policy are kept, the current one included. */
export const KEPT_VERSIONS = 200
const ID_DIGITS = 12
/** See `aclCost`: a tenth of a millisecond for each question. A list asks one question for each of its items. */
export const MAX_ACL_COST = 10_000

export interface PolicyBookOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  /** Where several hubs share the database: how often to look for changes by other hubs, ms. */
  readonly refreshMs?: number | undefined
  /** Unix milliseconds. */
  readonly now: () => number
  readonly logger: Logger
}

export interface NewPolicy {
  readonly document: PolicyDocument
  readonly by: Actor
  /** The version that this policy replaces; 0 for the first policy. */
  readonly replaces: number
  /** The version that a rollback brings back. */
  readonly restored?: number
}

/** Called with a policy that has just come into force. */
export type PolicyListener = (policy: EffectivePolicy) => void

/**
 * The policies in force. Each version is compiled once and taken over as a whole: a decision ends with the version with
 * which it began, and the next decision uses the new version.
 */
export class PolicyBook implements AsyncDisposable {
  readonly #options: PolicyBookOptions
  readonly #current: Mirror<PolicyVersionRecord>
  readonly #versions: Collection<PolicyVersionRecord>
  readonly #compiled = new Map<
    string,
    { from: Typed<PolicyVersionRecord> | undefined; policy: EffectivePolicy }
  >()
  readonly #listeners = new Set<PolicyListener>()

  private constructor(options: PolicyBookOptions, current: Mirror<PolicyVersionRecord>) {
    this.#options = options
    this.#current = current
    this.#versions = new Collection(options.store, 'policy-version', policyVersionRecordSchema)
    current.onChange(() => this.#takeOver())
    this.#takeOver()
  }

  static async open(options: PolicyBookOptions): Promise<PolicyBook> {
    const schema = policyVersionRecordSchema
    return new PolicyBook(options, await Mirror.open({ ...options, kind: 'policy', schema }))
  }

  /** The policy in force in a tenant. A tenant without a policy has the defaults, as version 0. */
  effective(tenantId: string): EffectivePolicy {
    const from = this.#current.get(tenantId)
    const present = this.#compiled.get(tenantId)
    if (present && present.from === from) return present.policy
    const policy = this.#compile(tenantId, from)
    this.#compiled.set(tenantId, { from, policy })
    return policy
  }

  /** Tenants with a policy of their own. */
  *tenantIds(): Iterable<string> {
    for (const { id } of this.#current.values()) yield id
  }

  current(tenantId: string): PolicyVersion {
    const document = this.#current.get(tenantId)
    return document
      ? { tenant_id: tenantId, version: document.version, ...document.value }
      : { tenant_id: tenantId, version: 0, document: {}, made_at: null, made_by: null, restored: null }
  }

  /**
   * Versions that are still kept, oldest first, without their documents. Documents may be long, so they are read one by
   * one, with turns for others in between. `page.after` is a version.
   */
  async versions(
    tenantId: string,
    page: { after?: number | undefined; limit: number },
  ): Promise<PolicyVersionInfo[]> {
    const infos: PolicyVersionInfo[] = []
    for (let { after } = page; infos.length < page.limit; after = infos.at(-1)?.version) {
      const documentPage: DocumentPage = {
        limit: 1,
        after: after === undefined ? undefined : versionId(after),
      }
      const [found] = await this.#versions.list(tenantId, documentPage)
      if (found === undefined) break
      const { document, ...info } = versionOf(found)
      infos.push(info)
      await nextTurn()
    }
    return infos
  }

  async version(tenantId: string, version: number): Promise<PolicyVersion | undefined> {
    const found = await this.#versions.get(tenantId, versionId(version))
    return found && versionOf(found)
  }

  /**
   * The policy that a document would make. Changes nothing.
   * @throws CodedError `policy_invalid` (400) where the document contradicts itself or the defaults, or where a
   * question to its ACL would take too long
   */
  check(tenantId: string, document: PolicyDocument): EffectivePolicy {
    const cost = aclCost(document.acl ?? [], MAX_ACL_COST)
    if (cost > MAX_ACL_COST)
      throw new CodedError('policy_invalid', 'the ACL has too many patterns', {
        details: [
          `acl: its streams and subjects cost more than ${MAX_ACL_COST}: a name or \`name-*\` costs 1 to 64, a part between two \`*\` 64, with \`?\` in it 64 for each character`,
        ],
      })
    return effectivePolicy(tenantId, document, this.current(tenantId).version + 1)
  }

  /**
   * Puts a policy in force as the next version.
   * @throws CodedError `policy_invalid` (400), `version_conflict` (412) when somebody else was first, and see
   * Store.write
   */
  async put(tenantId: string, { document, by, replaces, restored }: NewPolicy): Promise<PolicyVersion> {
    this.check(tenantId, document)
    const version = replaces + 1
    const made_at = this.#options.now()
    const record = { document, made_at, made_by: actorName(by), restored: restored ?? null }
    const kept = this.#versions.putChange(tenantId, versionId(version), record, 0)
    const forgotten =
      version > KEPT_VERSIONS
        ? [this.#versions.deleteChange(tenantId, versionId(version - KEPT_VERSIONS))]
        : []
    const action = restored === undefined ? 'policy.change' : 'policy.rollback'
    await writePlanned(
      this.#options.store,
      [this.#current.planPut(tenantId, tenantId, record, replaces)],
      [kept, ...forgotten],
      [
        {
          tenant_id: tenantId,
          at: made_at,
          actor: actorName(by),
          action,
          object: `policy:${tenantId}`,
          outcome: 'done',
          detail: { version, restored: restored ?? null, sections: Object.keys(document) },
        },
      ],
    )
    return { tenant_id: tenantId, version, ...record }
  }

  /** The plan that deletes all of a tenant's versions together with the tenant. */
  async planRemoval(tenantId: string): Promise<TenantRemains> {
    const present = this.#current.get(tenantId)
    const versions = await this.#versions.list(tenantId)
    return {
      plans: present ? [this.#current.planDelete(tenantId, tenantId, present.version)] : [],
      changes: versions.map(({ id }) => this.#versions.deleteChange(tenantId, id)),
    }
  }

  /** Call the returned function to stop. */
  onChange(listener: PolicyListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear()
    await this.#current[Symbol.asyncDispose]()
  }

  #takeOver(): void {
    for (const [tenantId, { from }] of this.#compiled) {
      if (this.#current.get(tenantId) === from) continue
      const policy = this.effective(tenantId)
      for (const listener of this.#listeners) listener(policy)
    }
    for (const { id } of this.#current.values()) {
      if (this.#compiled.has(id)) continue
      const policy = this.effective(id)
      for (const listener of this.#listeners) listener(policy)
    }
  }

  /** If a stored version is no longer valid, e.g. after an upgrade, only the hub's admin can act in the tenant. */
  #compile(tenantId: string, from: Typed<PolicyVersionRecord> | undefined): EffectivePolicy {
    try {
      return effectivePolicy(tenantId, from?.value.document ?? {}, from?.version ?? 0)
    } catch (error) {
      const details = error instanceof CodedError ? error.details : []
      this.#options.logger.error(
        { tenant_id: tenantId, version: from?.version, reason: messageOf(error), details },
        'a stored policy is not valid; nobody may do anything in the tenant until it is changed',
      )
      return effectivePolicy(tenantId, { acl: [] }, from?.version ?? 0)
    }
  }
}

/** Makes ids sort like their numbers. */
function versionId(version: number): string {
  return String(version).padStart(ID_DIGITS, '0')
}

function versionOf({ tenant_id, id, value }: Typed<PolicyVersionRecord>): PolicyVersion {
  return { tenant_id, version: Number(id), ...value }
}
