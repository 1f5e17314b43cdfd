import type { Peer } from 'protoo-server'
import type { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import {
  type HubToNode,
  type hubToNodeNotifications,
  type NodeWelcome,
  nodeNotifications,
  nodeRequests,
  type Outcome,
  outcomeSchema,
} from '../../common/wire/node-protocol.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import { HUB_CLOCK } from '../hub-clock.ts'
import { parseData } from '../protoo-request.ts'
import { SessionPeer } from '../session-peer.ts'
import type { NodeAdmission, NodeLine, NodePlace, ProvenNode } from './node-admission.ts'

/** Messages of a device: 10 a second, 60 at once. It tells its broadcasts once a second, and what changes. */
const MESSAGES_PER_SECOND = 10
const MESSAGE_BURST = 60
/** A connection that does not say `node` for this long is closed, ms. */
const HELLO_WITHIN_MS = 15_000

export interface NodeSessionOptions {
  readonly node: ProvenNode
  readonly admission: NodeAdmission
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
}

type HubNews = { [M in keyof typeof hubToNodeNotifications]: z.input<(typeof hubToNodeNotifications)[M]> }

/** One device's protoo connection. Its first request is `node`. */
export class NodeSession implements NodeLine {
  readonly #options: NodeSessionOptions
  readonly #peer: SessionPeer<HubNews>
  readonly #timer: NodeJS.Timeout
  #hello = false
  #place: NodePlace | null = null
  #closed = false

  constructor(peer: Peer, options: NodeSessionOptions) {
    this.#options = options
    this.#peer = new SessionPeer(peer, {
      role: 'node',
      handlers: {
        node: (data) => this.#welcome(data),
        clock: async (data) => {
          parseData(nodeRequests.clock, data)
          return { hub_unix_ms: HUB_CLOCK.now() }
        },
      },
      notified: {
        report: (data) =>
          this.#told(nodeNotifications.report, data, (place, report) => place.reported(report)),
        broadcasts: (data) =>
          this.#told(nodeNotifications.broadcasts, data, (place, { broadcasts }) =>
            place.broadcasts(broadcasts),
          ),
        'actual-config': (data) =>
          this.#told(nodeNotifications['actual-config'], data, (place, actual) => place.configured(actual)),
      },
      perSecond: MESSAGES_PER_SECOND,
      burst: MESSAGE_BURST,
      events: options.events,
      streamName: null,
      closed: () => this.#over(),
    })
    this.#timer = setTimeout(() => {
      if (!this.#hello) this.#peer.close()
    }, HELLO_WITHIN_MS)
  }

  async configure(document: HubToNode['configure']): Promise<Outcome> {
    return outcomeSchema.parse(await this.#peer.request('configure', document))
  }

  async command(command: HubToNode['command']): Promise<Outcome> {
    return outcomeSchema.parse(await this.#peer.request('command', command))
  }

  releasesChanged(): void {
    this.#peer.notify('releases', {})
  }

  close(): void {
    this.#peer.close()
  }

  async #welcome(data: unknown): Promise<NodeWelcome> {
    const { actual, report, broadcasts } = parseData(nodeRequests.node, data)
    if (this.#hello) throw new CodedError('bad_request', 'the device said `node` already')
    this.#hello = true
    const { node, admission } = this.#options
    const place = await admission.admit(node, { actual, report, broadcasts }, this)
    if (this.#closed) {
      place[Symbol.dispose]()
      throw new CodedError('gone', 'the connection closed')
    }
    this.#place = place
    // The answer leaves first.
    setImmediate(() => place.welcomed())
    return { node_id: node.nodeId, hub_unix_ms: HUB_CLOCK.now(), ...place.welcome }
  }

  #told<Schema extends (typeof nodeNotifications)[keyof typeof nodeNotifications]>(
    schema: Schema,
    data: unknown,
    take: (place: NodePlace, told: ReturnType<Schema['parse']>) => void,
  ): boolean {
    const told = schema.safeParse(data)
    if (!told.success || !this.#place) return false
    take(this.#place, told.data as ReturnType<Schema['parse']>)
    return true
  }

  #over(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#place?.[Symbol.dispose]()
    this.#place = null
  }
}
