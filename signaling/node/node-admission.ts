import type { IncomingMessage } from 'node:http'
import type { ActualConfig, HubToNode, NodeWelcome, Outcome } from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'

/** A node that has proved itself: by its certificate, or by a token of its own. */
export interface ProvenNode {
  /** null for a node that the hub shares with every tenant. */
  readonly tenantId: string | null
  readonly nodeId: string
}

/** What a device tells when it connects. */
export interface NodeHello {
  readonly actual: ActualConfig | null
  readonly report: NodeReport
  readonly broadcasts: readonly BroadcastStatus[]
}

/** How the hub reaches a connected device. */
export interface NodeLine {
  /** The device's answer. @throws where there is none: the connection closed, or the device was silent for too long */
  configure(document: HubToNode['configure']): Promise<Outcome>
  command(command: HubToNode['command']): Promise<Outcome>
  /** There may be another release of the agent for the device. */
  releasesChanged(): void
  /** A newer connection of the device has its place, or its certificate is good no more. */
  close(): void
}

/** A connected device. Disposing of it says that the connection is over. */
export interface NodePlace extends Disposable {
  readonly welcome: Pick<NodeWelcome, 'desired_version'>
  /** The device has read its welcome: documents and commands may go to it. */
  welcomed(): void
  reported(sections: NodeReport): void
  broadcasts(all: readonly BroadcastStatus[]): void
  configured(actual: ActualConfig): void
}

/** Knows which nodes may connect, and what they are for. */
export interface NodeAdmission {
  /** @throws CodedError 401 for a connection without a good proof of a node */
  identify(request: IncomingMessage): Promise<ProvenNode>
  /** Takes the place of an earlier connection of the same node. @throws CodedError */
  admit(node: ProvenNode, hello: NodeHello, line: NodeLine): Promise<NodePlace>
}
