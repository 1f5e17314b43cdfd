import { SignJWT } from 'jose'
import type { Route } from '../../../server/api/route.ts'
import { apiRig } from './api-rig.ts'

/** Something of another tenant, and something of the same form that does not exist. */
export interface Foreign {
  readonly theirs: string
  readonly absent: string
}

/** A running API that the property test can drive: whatever composition there is. */
export interface ApiUnderTest extends AsyncDisposable {
  readonly url: string
  /** The very routes, to know which errors they declare. */
  readonly routes: readonly Route[]
  /** Bearer tokens that are good, by what they are: `admin` is the hub's. Asked for again when one was revoked. */
  readonly goodTokens: () => Promise<Readonly<Record<'admin' | 'operator' | 'viewer' | 'foreign', string>>>
  /** Tokens that were once good, or look so. */
  readonly badTokens: Readonly<Record<string, string>>
  /** The tenant of `operator` and `viewer`; `foreign` is an operator of another. */
  readonly tenantId: string
  /** By parameter: what only `foreign` may see. */
  readonly foreign: Readonly<Record<string, Foreign>>
  /** Values for valid requests, by field: ids of the own tenant, a real CSR. */
  readonly hints: Readonly<Record<string, readonly unknown[]>>
  /** All state that a refusal must leave alone. */
  readonly dump: () => Promise<string>
  /** What failed inside, for messages. */
  readonly failures: readonly { code: string; cause: unknown }[]
}

const NODE = {
  role: 'edge' as const,
  region: null,
  segments: [],
  transports: [],
  serves: [],
  ptp: false,
  tsn: false,
  max_flows: null,
  max_kbps: null,
  addresses: [],
  links: [],
  labels: {},
  draining: false,
  created_at: 0,
}

/** The API of administration with all its real parts. */
export async function administrationUnderTest(csr: string): Promise<ApiUnderTest> {
  const rig = await apiRig()
  const [mine, other] = ['acme', 'rival']
  for (const tenantId of [mine, other]) {
    await rig.tenants.put(tenantId, { display_name: tenantId }, 'hub')
    await rig.directory.put(tenantId, `edge-of-${tenantId}`, NODE)
    await rig.policies.put(tenantId, { document: {}, by: 'hub', replaces: 0 })
  }
  const theirToken = await rig.tokenFor(other, 'viewer')
  const [theirs] = (await rig.auth.tokens.list(other)).map(({ token_id }) => token_id)
  const webhook = { url: 'https://127.0.0.1:9/', events: ['*' as const], by: 'hub' as const }
  const theirWebhook = (await rig.webhooks.create({ ...webhook, tenant_id: other })).webhook
  const ownWebhook = (await rig.webhooks.create({ ...webhook, tenant_id: mine })).webhook
  const enrolment = await rig.auth.enrolment.issue({ tenant_id: other, roles: ['edge'], by: 'hub' }, 3600)
  const revoked = await rig.auth.tokens.issueJwt(
    { subject: 'gone', role: 'operator', tenant_id: mine, by: 'hub' },
    3600,
  )
  await rig.auth.tokens.revoke(mine, revoked.info.token_id, 'hub')
  const forged = await new SignJWT({
    tenant: mine,
    role: 'operator',
    node: null,
    streams: ['*'],
    actions: ['*'],
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'lanecast+jwt', kid: 'x' })
    .setSubject('mallory')
    .setIssuer('lanecast')
    .setJti('abcdefghijklmnop')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode('a secret that the hub does not have'))
  const [head, claims] = theirToken.split('.')
  const kinds = new Set(['token', 'tenant', 'node', 'policy', 'policy-version', 'enrolment-token', 'webhook'])
  return {
    ...{ url: rig.url, routes: rig.routes, tenantId: mine, failures: rig.failures },
    goodTokens: async () => ({
      admin: (
        await rig.auth.tokens.issueJwt({ subject: 'root', role: 'admin', tenant_id: null, by: 'hub' }, 3600)
      ).token,
      operator: await rig.tokenFor(mine, 'operator'),
      viewer: await rig.tokenFor(mine, 'viewer'),
      foreign: await rig.tokenFor(other, 'operator'),
    }),
    badTokens: {
      revoked: revoked.token,
      forged,
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`,
      tampered: `${head}.${Buffer.from('{"role":"admin"}').toString('base64url')}.AAAA`,
      garbage: 'x',
      'wrong api key': `lc_${'a'.repeat(16)}_${'A'.repeat(43)}`,
      'an enrolment token': enrolment.token,
      huge: 'x'.repeat(9000),
    },
    foreign: {
      tenant_id: { theirs: other, absent: 'ghost' },
      node_id: { theirs: `edge-of-${other}`, absent: 'edge-of-ghost' },
      token_id: { theirs: theirs!, absent: 'a'.repeat(16) },
      webhook_id: { theirs: theirWebhook.webhook_id, absent: 'a'.repeat(16) },
      enrolment_token_id: { theirs: enrolment.info.enrolment_token_id, absent: 'a'.repeat(16) },
    },
    hints: {
      tenant_id: [mine, 'default'],
      node_id: [`edge-of-${mine}`],
      webhook_id: [ownWebhook.webhook_id],
      csr: [csr],
      compromised: [false],
      subjects: ['role:viewer', '*'],
      document: [{}],
      version: [0, 1],
    },
    dump: async () => {
      const documents = await Promise.all(
        [...kinds, 'node-certificate', 'certificate-authority', 'signing-key'].map((kind) =>
          rig.store.list(kind, null),
        ),
      )
      return JSON.stringify([documents, await rig.store.auditHead()])
    },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  }
}
