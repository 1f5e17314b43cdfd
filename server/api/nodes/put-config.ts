import { missingSecrets, unmaskSecrets } from '../../../common/node-config/config-secrets.ts'
import { nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { nodeConfigViewSchema } from '../../../common/wire/nodes-api.ts'
import { actorOf } from '../../auth/principal.ts'
import { ownerOf } from '../../auth/token-record.ts'
import { auditDraft } from '../administration-parts.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { badRequest } from '../refusals.ts'
import { defineRoute, Reply } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { nodeConfigView } from './node-config-view.ts'
import { nodeParams, nodeQuery, writableOwner } from './own-node.ts'

export const putNodeConfig = (parts: FieldParts) =>
  defineRoute({
    method: 'put',
    path: '/v1/nodes/{node_id}/config',
    summary: 'Say what a field sender is to do',
    description:
      'The whole document, in JSON or TOML, as the next version. The device gets it as soon as it is connected, applies it ' +
      'as a whole or not at all, and keeps it; `GET` tells what came of it. `********` in the place of a password keeps the ' +
      'password that the same source has. `If-Match` is read where it is given.',
    action: 'node.configure',
    cost: 'write',
    ifMatch: 'optional',
    bodyTypes: ['application/json', 'application/toml'],
    maxBodyBytes: 64 * 1024,
    params: nodeParams,
    query: nodeQuery,
    body: nodeConfigSchema,
    bodyScope: {
      names: [],
      // null: the document is about the whole device, whatever it had before.
      of: ({ broadcasts }) => ({ streamIds: [null, ...broadcasts.map(({ stream_id }) => stream_id)] }),
    },
    answer: { status: 200, schema: nodeConfigViewSchema, headers: ETAG_HEADER },
    errors: ['tenant_not_found', 'node_not_found', 'version_conflict'],
    handle: async (context, { params: { node_id }, body }) => {
      const { configs, devices, now } = parts
      const owner = writableOwner(parts, context, node_id)
      const node = { tenantId: owner, nodeId: node_id }
      const [desired, { actual }] = await Promise.all([configs.desired(node), configs.actual(node)])
      const [current] = desired.history
      requireMatch(context.ifMatch, current?.version ?? 0)
      const { config } = unmaskSecrets(body, current ? configs.opened(node, current) : null)
      // The device may know a password that somebody gave it on the spot.
      const missing = missingSecrets(config, actual?.config ?? null)
      if (missing.length > 0) throw badRequest('a password is masked, and there is none to keep', missing)
      const version = configs.nextVersion(desired, { actual, answered: null })
      const record = configs.sealed(node, version, config, actorOf(context.principal))
      const detail = { version, streams: config.broadcasts.map(({ stream_id }) => stream_id) }
      await configs.write(
        [configs.planVersion(node, desired, record)],
        [auditDraft(context, ownerOf(owner), now(), 'node.configure', `node:${node_id}`, detail)],
      )
      devices.get(node)?.wake()
      return new Reply(await nodeConfigView(parts, node), { etag: entityTag(version) })
    },
  })
