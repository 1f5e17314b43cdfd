import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { maskSecrets, revealSecrets, secretsOf } from '../../common/node-config/config-secrets.ts'
import type { NodeConfig } from '../../common/wire/node-config.ts'
import { KEPT_CONFIGS } from '../../common/wire/nodes-api.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection, type Typed } from '../store/collection.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Change, DeleteChange, PutChange, Store } from '../store/store.ts'
import {
  type ActualRecord,
  actualRecordSchema,
  type ConfigVersionRecord,
  type DesiredRecord,
  desiredRecordSchema,
} from './node-config-record.ts'
import { type NodeName, storeTenant } from './node-name.ts'

const KIND = 'node-config'
const ACTUAL_KIND = 'node-actual'

export interface NodeConfigsOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly sealer: Sealer
  /** Unix milliseconds. */
  readonly now: () => number
}

/** What a node is to do, and the version of its document in the store (0: there is none). */
export interface Desired extends DesiredRecord {
  readonly stored: number
}

const NOTHING: DesiredRecord = { next_version: 1, history: [] }
const UNKNOWN: ActualRecord = { actual: null, answered: null }
const secretsSchema = z.record(z.string(), z.string())

/** What nodes are to do and what they do, in the store. Secrets are sealed. Each method throws as Store.write and `get`. */
export class NodeConfigs {
  readonly #options: NodeConfigsOptions
  readonly #desired: Collection<DesiredRecord>
  readonly #actual: Collection<ActualRecord>

  constructor(options: NodeConfigsOptions) {
    this.#options = options
    this.#desired = new Collection(options.store, KIND, desiredRecordSchema)
    this.#actual = new Collection(options.store, ACTUAL_KIND, actualRecordSchema)
  }

  async desired(node: NodeName): Promise<Desired> {
    const found: Typed<DesiredRecord> | undefined = await this.#desired.get(storeTenant(node), node.nodeId)
    return { ...(found?.value ?? NOTHING), stored: found?.version ?? 0 }
  }

  async actual(node: NodeName): Promise<ActualRecord> {
    return (await this.#actual.get(storeTenant(node), node.nodeId))?.value ?? UNKNOWN
  }

  async saveActual(node: NodeName, record: ActualRecord, audit: readonly AuditDraft[] = []): Promise<void> {
    await this.#options.store.write([this.#actual.putChange(storeTenant(node), node.nodeId, record)], audit)
  }

  /** A version of a document, with its secrets sealed. */
  sealed(node: NodeName, version: number, config: NodeConfig, by: string): ConfigVersionRecord {
    const secrets = secretsOf(config)
    const text = Object.keys(secrets).length === 0 ? null : JSON.stringify(secrets)
    return {
      version,
      made_at: this.#options.now(),
      made_by: by,
      config: maskSecrets(config),
      secrets: text === null ? null : this.#options.sealer.seal(text, this.#place(node)),
    }
  }

  /** The document with its secrets, for the device alone. @throws CodedError `sealing_key_missing`, `sealed_value_invalid` */
  opened(node: NodeName, { config, secrets }: Pick<ConfigVersionRecord, 'config' | 'secrets'>): NodeConfig {
    if (secrets === null) return config
    const text = this.#options.sealer.open(secrets, this.#place(node))
    return revealSecrets(config, secretsSchema.parse(JSON.parse(text)))
  }

  /** The change that makes `record` the desired version. It fails where somebody changed the document meanwhile. */
  planVersion(node: NodeName, desired: Desired, record: ConfigVersionRecord): PutChange {
    const next_version = Math.max(desired.next_version, record.version + 1)
    const history = [record, ...desired.history].slice(0, KEPT_CONFIGS)
    return this.#desired.putChange(storeTenant(node), node.nodeId, { next_version, history }, desired.stored)
  }

  /** The change that takes a version number which is not desired yet, so that nobody else gets it. */
  planNumber(node: NodeName, desired: Desired, version: number): PutChange {
    const { history, stored } = desired
    return this.#desired.putChange(
      storeTenant(node),
      node.nodeId,
      { next_version: version + 1, history },
      stored,
    )
  }

  /** The changes that forget a node. */
  planForget(node: NodeName): DeleteChange[] {
    const tenantId = storeTenant(node)
    return [
      this.#desired.deleteChange(tenantId, node.nodeId),
      this.#actual.deleteChange(tenantId, node.nodeId),
    ]
  }

  /** The version to make next: above every version that the hub gave, and above the one that the device has. */
  nextVersion(desired: DesiredRecord, { actual }: ActualRecord): number {
    return Math.max(desired.next_version, typeof actual?.version === 'number' ? actual.version + 1 : 1)
  }

  async write(changes: readonly Change[], audit: readonly AuditDraft[]): Promise<void> {
    await this.#options.store.write(changes, audit)
  }

  #place(node: NodeName) {
    return { kind: KIND, tenant_id: storeTenant(node), id: node.nodeId, field: 'secrets' }
  }
}

/** Makes a change again when somebody else changed the same document in between, which is seldom. */
export async function orAgain<T>(change: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await change()
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'version_conflict' || attempt === 4) throw error
    }
  }
}
