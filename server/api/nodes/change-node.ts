import type { NodeEntry, NodeView } from '../../../common/wire/topology.ts'
import { ownerOf } from '../../auth/token-record.ts'
import { type AdministrationParts, auditDraft } from '../administration-parts.ts'
import { entityTag, requireMatch } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { Reply, type RouteContext } from '../route.ts'
import { viewOf, writableOwner } from './own-node.ts'

export type NodeChangeParts = Pick<AdministrationParts, 'topology' | 'directory' | 'now'>

/** Changes what the directory keeps of a node, and records the change. @throws as `writableOwner`, and 412 */
export async function changeNode(
  parts: NodeChangeParts,
  context: RouteContext,
  nodeId: string,
  action: string,
  change: Partial<NodeEntry>,
): Promise<Reply<NodeView>> {
  const owner = writableOwner(parts, context, nodeId)
  const document = parts.directory.get(owner, nodeId)
  if (!document) throw notFound('node')
  requireMatch(context.ifMatch, document.version)
  const draft = auditDraft(context, ownerOf(owner), parts.now(), action, `node:${nodeId}`, { ...change })
  await parts.directory.put(
    owner,
    nodeId,
    { ...document.value, ...change },
    { expected_version: document.version, audit: [draft] },
  )
  return new Reply(viewOf(parts, context, owner, nodeId), { etag: entityTag(document.version + 1) })
}
