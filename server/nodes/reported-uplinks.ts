import { CodedError } from '../../common/errors.ts'
import { MAX_UPLINKS } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { MAX_LINKS_PER_NODE, type NodeEntry } from '../../common/wire/topology.ts'
import type { NodeDirectory } from '../topology/node-directory.ts'
import { type NodeName, nodeKeyOf } from './node-name.ts'

/** An uplink that a device tells no more stays declared for this long, ms: a modem that starts anew takes a minute. */
export const UPLINK_KEPT_MS = 600_000
/** How often to look for uplinks whose time is over, ms. */
const LOOK_EVERY_MS = 60_000

type Interface = NonNullable<NodeReport['interfaces']>[number]
type Link = NodeEntry['links'][number]

const MEDIA = {
  wired: 'wired',
  wifi: 'wifi',
  cellular: 'cellular',
  vpn: 'overlay',
  other: 'overlay',
} as const

export interface ReportedUplinksOptions {
  readonly directory: Pick<NodeDirectory, 'get' | 'put'>
  /** The node at which devices send: this hub. */
  readonly hubId: string
  /** A steady clock, ms. */
  readonly steady: () => number
  readonly onError: (error: unknown) => void
}

/**
 * Makes the uplinks that devices tell their declared links, so that contracts have an endpoint for each. Links that
 * somebody else declared stay as they are.
 */
export class ReportedUplinks implements Disposable {
  readonly #options: ReportedUplinksOptions
  /** When each uplink was told last, by node and link. */
  readonly #told = new Map<string, { readonly node: NodeName; readonly at: Map<string, number> }>()
  readonly #timer: NodeJS.Timeout
  /** Writes happen one after the other; never rejects. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: ReportedUplinksOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
  }

  /** A device told its interfaces. Resolves when its links are declared. */
  reported(node: NodeName, { interfaces }: NodeReport): Promise<void> {
    if (!interfaces) return this.#work
    const now = this.#options.steady()
    const known = this.#told.get(nodeKeyOf(node)) ?? { node, at: new Map() }
    const uplinks = uplinksOf(interfaces, this.#options.hubId)
    // A device that makes up names has no more of them than it may have links.
    for (const { link_id } of uplinks)
      if (known.at.has(link_id) || known.at.size < MAX_LINKS_PER_NODE) known.at.set(link_id, now)
    this.#told.set(nodeKeyOf(node), known)
    return this.#declare(
      node,
      uplinks.filter(({ link_id }) => known.at.has(link_id)),
    )
  }

  /** Nothing of a node that is no more. */
  forget(node: NodeName): void {
    this.#told.delete(nodeKeyOf(node))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    for (const { node, at } of this.#told.values())
      if ([...at.values()].some((time) => this.#isOver(time))) void this.#declare(node, [])
  }

  #declare(node: NodeName, uplinks: readonly Link[]): Promise<void> {
    this.#work = this.#work.then(() => this.#write(node, uplinks)).catch(this.#options.onError)
    return this.#work
  }

  async #write(node: NodeName, uplinks: readonly Link[]): Promise<void> {
    const { directory } = this.#options
    for (let attempt = 0; ; attempt += 1) {
      const document = directory.get(node.tenantId, node.nodeId)
      const at = this.#told.get(nodeKeyOf(node))?.at
      if (!document || !at) return
      const over = [...at].flatMap(([link, time]) => (this.#isOver(time) ? [link] : []))
      const entry = withUplinks(document.value, uplinks, over)
      try {
        if (entry)
          await directory.put(node.tenantId, node.nodeId, entry, { expected_version: document.version })
        for (const link of over) at.delete(link)
        return
      } catch (error) {
        // An operator changed the node in between.
        if (!(error instanceof CodedError) || error.code !== 'version_conflict' || attempt === 4) throw error
      }
    }
  }

  #isOver(time: number): boolean {
    return this.#options.steady() - time > UPLINK_KEPT_MS
  }
}

/** The links that a device's interfaces are, those with a carrier first. */
export function uplinksOf(interfaces: readonly Interface[], hubId: string): Link[] {
  const links = new Map<string, Link>()
  const byCarrier = [...interfaces].sort((one, other) => Number(other.carrier) - Number(one.carrier))
  for (const { link_id, kind } of byCarrier)
    if (link_id !== null && !links.has(link_id) && links.size < MAX_UPLINKS)
      links.set(link_id, { link_id, to: hubId, medium: MEDIA[kind], tsn: false, capacity_kbps: null })
  return [...links.values()]
}

/** The entry with these uplinks and without those that are over; null where nothing changes. */
export function withUplinks(
  entry: NodeEntry,
  uplinks: readonly Link[],
  over: readonly string[],
): NodeEntry | null {
  const reported = new Set(entry.reported_links)
  const gone = new Set(over.filter((link) => reported.has(link)))
  const links = new Map(entry.links.flatMap((link) => (gone.has(link.link_id) ? [] : [[link.link_id, link]])))
  for (const link of gone) reported.delete(link)
  let changes = gone.size > 0
  for (const uplink of uplinks) {
    const present = links.get(uplink.link_id)
    if (present && (!reported.has(uplink.link_id) || present.medium === uplink.medium)) continue
    links.set(uplink.link_id, uplink)
    reported.add(uplink.link_id)
    changes = true
  }
  return changes ? { ...entry, links: [...links.values()], reported_links: [...reported] } : null
}
