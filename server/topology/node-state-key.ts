import { HUB_NODE_ID } from '../flows/hub-node.ts'
import type { Store } from '../store/store.ts'

/** Kind of the documents that hold what hubs learned of nodes. */
export const NODE_STATE_KIND = 'node-state'

/** Between the node's id and the hub's, neither of which can hold it. */
const SEPARATOR = '/'
/** Hubs of one database whose documents of a node are read at once. */
const PAGE = 1000

/**
 * Each hub of a database has a document of its own for a node, for it alone knows whom it hears: `n1` of the hub with
 * the usual id, `n1/hub-north` of another.
 */
export function stateId(nodeId: string, hubId = HUB_NODE_ID): string {
  return hubId === HUB_NODE_ID ? nodeId : `${nodeId}${SEPARATOR}${hubId}`
}

/** The node that a document of this hub is about; null where it is another hub's. */
export function nodeOfState(id: string, hubId = HUB_NODE_ID): string | null {
  const [nodeId = '', owner = HUB_NODE_ID] = id.split(SEPARATOR)
  return owner === hubId ? nodeId : null
}

/** Ids of the documents of all hubs about one node; the usual hub's stands there whether it exists or not. */
export async function stateIds(
  store: Pick<Store, 'list'>,
  storedTenant: string,
  nodeId: string,
): Promise<string[]> {
  const prefix = `${nodeId}${SEPARATOR}`
  const ids = [nodeId]
  for (let after = prefix; ; ) {
    const page = await store.list(NODE_STATE_KIND, storedTenant, { after, limit: PAGE })
    const own = page.map(({ id }) => id).filter((id) => id.startsWith(prefix))
    ids.push(...own)
    const last = own.at(-1)
    if (last === undefined || own.length < PAGE) return ids
    after = last
  }
}
