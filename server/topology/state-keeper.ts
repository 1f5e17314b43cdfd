import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { HUB_NODE_ID } from '../flows/hub-node.ts'
import { cursorOf, type DocumentKey, HUB_TENANT_ID, type PutChange, type Store } from '../store/store.ts'
import type { Topology } from './graph.ts'
import type { NodeRecord } from './node-record.ts'
import { nodeStateSchema, restoreState, stateOf } from './node-state.ts'

/** Kind of the documents. Each hub of a database has its own: it alone knows whom it hears. */
export const NODE_STATE_KIND = 'node-state'

function kindOf(hubId = HUB_NODE_ID): string {
  return hubId === HUB_NODE_ID ? NODE_STATE_KIND : `${NODE_STATE_KIND}.${hubId}`.slice(0, 64)
}
const PAGE = 1000

/** A node's state is written at most this often, ms: what a kill costs, and less than a link takes to fall silent. */
const KEEP_EVERY_MS = 10_000
/** How often a few are written, and how many at once: a fleet's states never make a long stall. */
const STEP_MS = 200
const LEAST_PER_STEP = 50

export interface StateKeeperOptions {
  readonly store: Pick<Store, 'list' | 'write'>
  readonly topology: Topology
  /** The usual hub's by default. */
  readonly hubId?: string | undefined
  readonly now: () => number
  readonly logger: Logger
}

/** Keeps what the hub learned of nodes and links across restarts: soft state, a few nodes at a time. */
export class StateKeeper implements AsyncDisposable {
  readonly #options: StateKeeperOptions
  readonly #timer: NodeJS.Timeout
  readonly #keptAt = new WeakMap<NodeRecord, number>()
  #writing: Promise<void> | undefined
  #failing = false

  private constructor(options: StateKeeperOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      this.#writing ??= this.#keep(this.#perStep(), KEEP_EVERY_MS).finally(() => {
        this.#writing = undefined
      })
    }, STEP_MS).unref()
  }

  /** Restores what was kept into nodes the topology has already, then keeps it up to date. */
  static async open(options: StateKeeperOptions): Promise<StateKeeper> {
    const { store, topology, hubId, now, logger } = options
    for (let after: string | undefined; ; ) {
      const page = await store.list(kindOf(hubId), null, { after, limit: PAGE })
      for (const document of page) {
        const tenantId = document.tenant_id === HUB_TENANT_ID ? null : document.tenant_id
        const record = topology.record(tenantId, document.id)
        const state = nodeStateSchema.safeParse(document.body)
        // Of a node that another hub of the database took away.
        if (!record) await store.write([{ ...keyOf(document), op: 'delete' }])
        else if (state.success) restoreState(topology, record, state.data, now())
        else logger.warn({ tenant_id: tenantId, node_id: document.id }, 'kept state of a node is unreadable')
      }
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      after = cursorOf(last)
    }
    return new StateKeeper(options)
  }

  /** Writes what is not written yet. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#writing
    for (let left = Number.POSITIVE_INFINITY; ; ) {
      const dirty = this.#due(Number.POSITIVE_INFINITY, 0).length
      if (dirty === 0 || dirty >= left) return
      left = dirty
      await this.#keep(this.#perStep(), 0)
    }
  }

  async #keep(most: number, everyMs: number): Promise<void> {
    const { store, topology, hubId, logger, now } = this.#options
    const records = this.#due(most, everyMs)
    if (records.length === 0) return
    const changes = records.map((record): PutChange => {
      record.dirty = false
      this.#keptAt.set(record, now())
      const tenant_id = record.tenantId ?? HUB_TENANT_ID
      return {
        op: 'put',
        kind: kindOf(hubId),
        tenant_id,
        id: record.nodeId,
        body: stateOf(topology, record),
      }
    })
    try {
      await store.write(changes)
      this.#failing = false
    } catch (error) {
      for (const record of records) record.dirty = true
      // Nothing but memory of a restart is at stake: said once, tried again.
      if (!this.#failing) logger.warn({ reason: messageOf(error) }, "can't keep the state of nodes")
      this.#failing = true
    }
  }

  /** So many that every node's turn comes in time. */
  #perStep(): number {
    return Math.max(LEAST_PER_STEP, Math.ceil((this.#options.topology.size * STEP_MS) / KEEP_EVERY_MS))
  }

  #due(most: number, everyMs: number): NodeRecord[] {
    const nowMs = this.#options.now()
    const due: NodeRecord[] = []
    for (const record of this.#options.topology.records()) {
      if (!record.dirty || nowMs - (this.#keptAt.get(record) ?? Number.NEGATIVE_INFINITY) < everyMs) continue
      due.push(record)
      if (due.length >= most) break
    }
    return due
  }
}

function keyOf({ kind, tenant_id, id }: DocumentKey): DocumentKey {
  return { kind, tenant_id, id }
}
