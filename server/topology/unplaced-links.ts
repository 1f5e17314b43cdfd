import type { LinkFacts } from '../../policy/paths/graph.ts'
import type { NodeRecord } from './node-record.ts'

export type UnplacedLink = Omit<LinkFacts, 'tenantId' | 'from'>

/** Declared links whose other end is not in the directory yet. They wait for that node by its id. */
export class Unplaced {
  readonly #byTarget = new Map<string, Map<NodeRecord, Map<string, UnplacedLink>>>()

  put(from: NodeRecord, link: UnplacedLink): void {
    const waiting = this.#byTarget.get(link.to) ?? new Map<NodeRecord, Map<string, UnplacedLink>>()
    const links = waiting.get(from) ?? new Map<string, UnplacedLink>()
    links.set(link.linkId, link)
    waiting.set(from, links)
    this.#byTarget.set(link.to, waiting)
  }

  /** Takes out everything that waits for nodes of this id. Put back what still has no place. */
  take(nodeId: string): [NodeRecord, UnplacedLink][] {
    const waiting = this.#byTarget.get(nodeId)
    this.#byTarget.delete(nodeId)
    return [...(waiting ?? [])].flatMap(([from, links]) =>
      [...links.values()].map((link): [NodeRecord, UnplacedLink] => [from, link]),
    )
  }

  /** Forgets the waiting links that a node declared. */
  drop(from: NodeRecord): void {
    for (const { to } of from.entry.links) this.#forget(to, from)
  }

  #forget(target: string, from: NodeRecord): void {
    const waiting = this.#byTarget.get(target)
    if (waiting?.delete(from) && waiting.size === 0) this.#byTarget.delete(target)
  }
}
