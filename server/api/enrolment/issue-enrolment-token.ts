import { z } from 'zod'
import { enrolmentText } from '../../../common/wire/enrolment-text.ts'
import { nodeIdSchema, nodeRoleSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { MAX_ENROLMENT_SECONDS } from '../../auth/enrolment.ts'
import { newGrantsSchema } from '../../auth/principal.ts'
import { qrSvg, qrTerminal } from '../../qr/paint-qr.ts'
import { qrCode } from '../../qr/qr-code.ts'
import { MAX_QR_BYTES } from '../../qr/qr-sizes.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'
import { enrolmentInfoSchema } from './enrolment-schemas.ts'

export const issueEnrolmentToken = ({
  auth: { enrolment, authorities },
  authorityPin,
}: Pick<AdministrationParts, 'auth' | 'authorityPin'>) =>
  defineRoute({
    method: 'post',
    path: '/v1/enrolment-tokens',
    summary: 'Issue an enrolment token',
    description:
      "Makes one machine a node, once, by `POST /v1/node/init`. `token` is shown this once. With a `node_id` that exists its holder takes that node's place. Without `tenant_id` the hub's admin makes it for nodes that the hub shares with every tenant. `text` is what `lanecast-agent enrol` takes, and `qr` the same as a QR code.",
    action: 'node.write',
    cost: 'write',
    body: z.strictObject({
      tenant_id: tenantIdSchema.optional(),
      roles: z.array(nodeRoleSchema).min(1).max(6),
      /** Transports and `ptp`, `tsn` that the node may claim; `*`, the default, allows all. */
      capabilities: z.array(z.string().min(1).max(64)).max(100).optional(),
      node_id: nodeIdSchema.optional(),
      /** Limits of the node's certificate; by default everything that the ACL allows nodes. */
      grants: newGrantsSchema.optional(),
      label: z.string().max(100).optional(),
      /** The hub's address for the machine; by default the one of this request. */
      hub_url: z
        .url({ protocol: /^https$/ })
        .max(150)
        .optional(),
      expires_in_seconds: z.number().int().min(1).max(MAX_ENROLMENT_SECONDS).default(3600),
    }),
    answer: {
      status: 201,
      schema: z.object({
        token: z.string(),
        /**
         * PEM of the hub's own CAs. Give them to the machine with the token, so that the machine recognises the hub.
         */
        authorities: z.array(z.string()),
        /** Address, token and pin of the hub's CA: the arguments of `lanecast-agent enrol`. null without TLS. */
        text: z.string().nullable(),
        /** `text` as a picture, and for a terminal; null without a text, or for one of more than 287 bytes. */
        qr: z.object({ svg: z.string(), terminal: z.string() }).nullable(),
        ...enrolmentInfoSchema.shape,
      }),
    },
    errors: ['token_lifetime', 'delegation_refused', 'tenant_not_found'],
    handle: async ({ principal, tenantFilter, origin }, { body }) => {
      const { roles, capabilities, node_id, grants, label } = body
      const wanted = {
        tenant_id: tenantFilter,
        roles,
        node_id: node_id ?? null,
        by: principal,
        ...(capabilities === undefined ? {} : { capabilities }),
        ...(grants === undefined ? {} : { grants }),
        ...(label === undefined ? {} : { label }),
      }
      const { token, info } = await enrolment.issue(wanted, body.expires_in_seconds)
      const hubUrl = body.hub_url ?? origin
      const text = hubUrl.startsWith('https:') ? enrolmentText(hubUrl, token, authorityPin()) : null
      return { token, authorities: authorities.trusted(), text, qr: qrOf(text), ...info }
    },
  })

function qrOf(text: string | null) {
  if (text === null || Buffer.byteLength(text) > MAX_QR_BYTES) return null
  const code = qrCode(text)
  return { svg: qrSvg(code), terminal: qrTerminal(code) }
}
