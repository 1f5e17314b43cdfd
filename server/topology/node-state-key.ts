import { HUB_NODE_ID } from '../../common/wire/ids.ts'
import type { Store } from '../store/store.ts'

/** Kind of the documents with what hubs learned of nodes. */
export const NODE_STATE_KIND = 'node-state'

/** Separates the node's id from the hub's id. Neither id can hold it. */
const SEPARATOR = '/'
/** Documents of a node that are read at a time; each hub of the database has one. */
const PAGE = 1000

/**
 * Each hub of a database has its own document for a node, because each hub hears different nodes: `n1` for the hub with
 * the usual id, `n1/hub-north` for another hub.
 */
export function stateId(nodeId: string, hubId = HUB_NODE_ID): string {
  return hubId === HUB_NODE_ID ? nodeId : `${nodeId}${SEPARATOR}${hubId}`
}

/** The node of a document of this hub; null for another hub's document. */
export function nodeOfState(id: string, hubId = HUB_NODE_ID): string | null {
  const [nodeId = '', owner = HUB_NODE_ID] = id.split(SEPARATOR)
  return owner === hubId ? nodeId : null
}

/** Ids of all hubs' documents about one node. The usual hub's id is among them even if its document does not exist. */
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
