import { actorOf } from '../../auth/principal.ts'
import { ownerOf } from '../../auth/token-record.ts'
import { writePlanned } from '../../store/mirror.ts'
import { forgetState } from '../../topology/node-directory.ts'
import { type AdministrationParts, auditDraft } from '../administration-parts.ts'
import { requireMatch } from '../preconditions.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import { nodeParams, nodeQuery, writableOwner } from './own-node.ts'

export const deleteNode = (
  parts: Pick<AdministrationParts, 'topology' | 'directory' | 'auth' | 'store' | 'now' | 'field'>,
) =>
  defineRoute({
    method: 'delete',
    path: '/v1/nodes/{node_id}',
    summary: 'Delete a node',
    description:
      'Takes it out of the directory, forgets its configuration and commands, and revokes its certificates and tokens.',
    action: 'node.write',
    cost: 'write',
    ifMatch: 'optional',
    params: nodeParams,
    query: nodeQuery,
    answer: { status: 204 },
    errors: ['tenant_not_found', 'node_not_found', 'version_conflict'],
    handle: async (context, { params: { node_id } }) => {
      const { auth, directory, field, store, now } = parts
      const owner = writableOwner(parts, context, node_id)
      const node = { tenantId: owner, nodeId: node_id }
      const document = directory.get(owner, node_id)
      if (!document) throw notFound('node')
      requireMatch(context.ifMatch, document.version)
      const revocation = auth.certificates.planNodeRevocation(
        owner,
        node_id,
        context.principal,
        'cessationOfOperation',
      )
      const detail = { role: document.value.role, by: actorOf(context.principal) }
      await writePlanned(
        store,
        [directory.planDelete(owner, node_id, document.version), ...revocation.plans],
        [
          ...(await forgetState(store, owner, node_id)),
          ...field.configs.planForget(node),
          field.commands.planForget(node),
        ],
        [
          auditDraft(context, ownerOf(owner), now(), 'node.delete', `node:${node_id}`, detail),
          ...revocation.audit,
        ],
      )
      await auth.tokens.revokeAll(owner, (token) => token.node_id === node_id, context.principal)
    },
  })
