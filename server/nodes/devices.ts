import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { CodedError } from '../../common/errors.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type {
  NodeAdmission,
  NodeHello,
  NodeLine,
  NodePlace,
  ProvenNode,
} from '../../signaling/node/node-admission.ts'
import { type Authenticator, credentialsOf } from '../auth/authenticate.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import type { Topology } from '../topology/graph.ts'
import { Device, type DeviceOptions } from './device.ts'
import { type NodeName, nodeKeyOf } from './node-name.ts'

/** How often certificates of connected devices are looked at, ms: they may have expired. */
const LOOK_EVERY_MS = 60_000

export interface DevicesOptions extends Omit<DeviceOptions, 'node'> {
  readonly authenticator: Pick<Authenticator, 'authenticate' | 'isCurrent' | 'onChange'>
  readonly topology: Pick<Topology, 'record' | 'hold' | 'listen'>
  /** The steady clock, Unix ms. */
  readonly steady: () => number
}

/** The field senders that are connected to this hub, and those that were since it started. */
export class Devices implements NodeAdmission, Disposable {
  readonly #options: DevicesOptions
  readonly #devices = new Map<string, Device>()
  /** Connections, with the proof of each. */
  readonly #lines = new Map<NodeLine, AuthenticatedPrincipal>()
  readonly #proofs = new WeakMap<ProvenNode, AuthenticatedPrincipal>()
  readonly #stack = new DisposableStack()

  constructor(options: DevicesOptions) {
    this.#options = options
    this.#stack.defer(options.authenticator.onChange(() => this.#look()))
    const timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    this.#stack.defer(() => clearInterval(timer))
    this.#stack.defer(
      options.topology.listen({
        nodeGone: (record) => {
          this.#devices.get(nodeKeyOf(record))?.disconnect()
          this.#devices.delete(nodeKeyOf(record))
        },
      }),
    )
  }

  /** The device; undefined where it has not been connected to this hub since the hub started. */
  get(node: NodeName): Device | undefined {
    return this.#devices.get(nodeKeyOf(node))
  }

  /** There may be another release of the agent for some device. */
  releasesChanged(): void {
    for (const line of this.#lines.keys()) line.releasesChanged()
  }

  /** Devices that are connected now. */
  get connected(): number {
    return this.#lines.size
  }

  async identify(request: IncomingMessage): Promise<ProvenNode> {
    const { authenticator, topology } = this.#options
    const { certificate, authorization } = credentialsOf(request)
    // A bearer token proves no device. On loopback, where a hub may do without TLS, there is nothing else.
    const proof = request.socket instanceof TLSSocket ? { certificate } : { authorization }
    const principal = await authenticator.authenticate(proof)
    const { node_id: nodeId, tenant_id: tenantId, role } = principal
    if (nodeId === null || role !== 'node')
      throw new CodedError('unauthenticated', 'a node proves itself by its certificate')
    if (!topology.record(tenantId, nodeId)) throw new CodedError('node_not_found', 'there is no such node')
    const node = { tenantId, nodeId }
    this.#proofs.set(node, principal)
    return node
  }

  async admit(node: ProvenNode, hello: NodeHello, line: NodeLine): Promise<NodePlace> {
    const { topology, steady, authenticator } = this.#options
    const proof = this.#proofs.get(node)!
    // It may have been revoked, or the node deleted, since the connection opened.
    if (!authenticator.isCurrent(proof) || !topology.record(node.tenantId, node.nodeId))
      throw new CodedError('unauthenticated', 'the proof of the node is good no more')
    const key = nodeKeyOf(node)
    const device = this.#devices.get(key) ?? new Device({ ...this.#options, node })
    this.#devices.set(key, device)
    const place = await device.connect(hello, line)
    const release = topology.hold(node.tenantId, node.nodeId, steady())
    this.#lines.set(line, proof)
    return {
      welcome: place.welcome,
      welcomed: () => place.welcomed(),
      reported: (sections: NodeReport) => place.reported(sections),
      broadcasts: (all) => place.broadcasts(all),
      configured: (actual) => place.configured(actual),
      [Symbol.dispose]: () => {
        this.#lines.delete(line)
        release(steady())
        place[Symbol.dispose]()
      },
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
    for (const device of this.#devices.values()) device.disconnect()
  }

  /** Closes the connections whose certificates are good no more. */
  #look(): void {
    for (const [line, principal] of this.#lines)
      if (!this.#options.authenticator.isCurrent(principal)) line.close()
  }
}
