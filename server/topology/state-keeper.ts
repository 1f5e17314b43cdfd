import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type Change, cursorOf, type DocumentKey, HUB_TENANT_ID, type Store } from '../store/store.ts'
import type { Topology } from './graph.ts'
import type { NodeRecord } from './node-record.ts'
import { nodeStateSchema, restoreState, stateOf } from './node-state.ts'
import { NODE_STATE_KIND, nodeOfState, stateId } from './node-state-key.ts'

const PAGE = 1000

/** A node's state is written at most this often, ms: what a kill loses, less than a link takes to fall silent. */
const KEEP_EVERY_MS = 10_000
/** How often some nodes are written, and how many at once: the states of a large fleet never make a long stall. */
const STEP_MS = 200
const LEAST_PER_STEP = 50

export interface StateKeeperOptions {
  readonly store: Pick<Store, 'list' | 'write'>
  readonly topology: Topology
  /** The usual hub's id by default. */
  readonly hubId?: string | undefined
  readonly now: () => number
  readonly logger: Logger
}

/** Keeps what the hub learned of nodes and links across restarts: soft state, a few nodes at a time. */
export class StateKeeper implements AsyncDisposable {
  readonly #options: StateKeeperOptions
  readonly #timer: NodeJS.Timeout
  readonly #keptAt = new WeakMap<NodeRecord, number>()
  /** Removed nodes whose documents must still be deleted. */
  readonly #gone = new Set<NodeRecord>()
  readonly #unlisten: () => void
  #writing: Promise<void> | undefined
  #failing = false

  private constructor(options: StateKeeperOptions) {
    this.#options = options
    this.#unlisten = options.topology.listen({ nodeGone: (record) => this.#gone.add(record) })
    this.#timer = setInterval(() => {
      this.#writing ??= this.#keep(this.#perStep(), KEEP_EVERY_MS).finally(() => {
        this.#writing = undefined
      })
    }, STEP_MS).unref()
  }

  /** Restores stored state into nodes that the topology has already, then keeps the stored state up to date. */
  static async open(options: StateKeeperOptions): Promise<StateKeeper> {
    const { store, topology, hubId, now, logger } = options
    for (let after: string | undefined; ; ) {
      const page = await store.list(NODE_STATE_KIND, null, { after, limit: PAGE })
      for (const document of page) {
        const nodeId = nodeOfState(document.id, hubId)
        if (nodeId === null) continue
        const tenantId = document.tenant_id === HUB_TENANT_ID ? null : document.tenant_id
        const record = topology.record(tenantId, nodeId)
        const state = nodeStateSchema.safeParse(document.body)
        // The document of a node that another hub of the database removed.
        if (!record) await store.write([{ ...keyOf(document), op: 'delete' }])
        else if (state.success) restoreState(topology, record, state.data, now())
        else logger.warn({ tenant_id: tenantId, node_id: nodeId }, 'the stored state of a node is unreadable')
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
    this.#unlisten()
    await this.#writing
    for (let left = Number.POSITIVE_INFINITY; ; ) {
      const dirty = this.#due(Number.POSITIVE_INFINITY, 0).length + this.#gone.size
      if (dirty === 0 || dirty >= left) return
      left = dirty
      await this.#keep(this.#perStep(), 0)
    }
  }

  async #keep(most: number, everyMs: number): Promise<void> {
    const { store, topology, hubId, logger, now } = this.#options
    const records = this.#due(most, everyMs)
    const gone = [...this.#gone].slice(0, most - records.length)
    if (records.length + gone.length === 0) return
    const keyOf = ({ tenantId, nodeId }: NodeRecord): DocumentKey => ({
      kind: NODE_STATE_KIND,
      tenant_id: tenantId ?? HUB_TENANT_ID,
      id: stateId(nodeId, hubId),
    })
    // Removed nodes first: a new node may have the same name by now.
    const changes: Change[] = gone.map((record) => ({ ...keyOf(record), op: 'delete' }))
    for (const record of gone) this.#gone.delete(record)
    for (const record of records) {
      record.dirty = false
      this.#keptAt.set(record, now())
      changes.push({ ...keyOf(record), op: 'put', body: stateOf(topology, record) })
    }
    try {
      await store.write(changes)
      this.#failing = false
    } catch (error) {
      for (const record of records) record.dirty = true
      for (const record of gone) this.#gone.add(record)
      // Only memory across a restart is at stake: warn once, and try again.
      if (!this.#failing) logger.warn({ reason: messageOf(error) }, "can't keep the state of nodes")
      this.#failing = true
    }
  }

  /** Enough per step that every node is written in time. */
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
