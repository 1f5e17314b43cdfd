import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import type { PrincipalRole } from '../../../common/wire/ids.ts'
import type { AclRule } from '../../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../../common/wire/stream.ts'
import { DEFAULT_ACL } from '../../../policy/default-acl.ts'
import type { EffectivePolicy } from '../../../policy/effective.ts'
import type { Route } from '../../../server/api/route.ts'
import { ALL_GRANTS, type AuthenticatedPrincipal, type Grants } from '../../../server/auth/principal.ts'
import type { StoredDocument } from '../../../server/store/store.ts'
import { GSTREAMER_OFFER, OBS_OFFER, PLAYER_OFFER, SIMULCAST_OFFER } from '../../support/offers.ts'
import { newSigner, signedKeys, signedRelease } from '../../support/release-signer.ts'
import { apiRig } from './api-rig.ts'
import { flowRoutes } from './flow-routes.ts'

/** Something of another tenant, and something of the same form that does not exist. */
export interface Foreign {
  /** The parameter that names it. */
  readonly field: string
  readonly theirs: string
  readonly absent: string
}

export type Role = Exclude<PrincipalRole, 'anonymous'>

export interface Held {
  readonly token: string
  readonly principal: AuthenticatedPrincipal
}

/** A running API that the property test can drive: whatever composition there is. */
export interface ApiUnderTest extends AsyncDisposable {
  readonly url: string
  /** The very routes, to know which errors they declare. */
  readonly routes: readonly Route[]
  /** Good bearer tokens by kind: `admin` is the hub's. Ask again after one was revoked. */
  readonly goodTokens: () => Promise<
    Readonly<Record<'admin' | 'operator' | 'publisher' | 'viewer' | 'node' | 'foreign', string>>
  >
  /** A token of the own tenant (the hub's for `admin`), and who it makes of its holder. */
  readonly tokenOf: (role: Role, grants?: Grants) => Promise<Held>
  /** What is in force in a tenant. */
  readonly policyOf: (tenantId: string) => EffectivePolicy
  /** Running contracts of the own tenant for this stream, of a sender and of a viewer. Missing ones are made. */
  readonly contractsOf: (streamId: string) => Promise<{ sender: string; viewer: string }>
  /** Tokens that were once good, or look so. */
  readonly badTokens: Readonly<Record<string, string>>
  /** The tenant of `operator`, `publisher`, `viewer` and `node`; `foreign` is an operator of another. */
  readonly tenantId: string
  /** What only `foreign` may see. */
  readonly foreign: readonly Foreign[]
  /** Paths of WHIP and WHEP sessions that were made: to be added to. */
  readonly sessions: string[]
  /**
   * Values for valid requests, by field: ids of the own tenant, a real CSR. Running contracts are looked up each time.
   */
  readonly hints: Readonly<Record<string, readonly unknown[]>>
  /** All state that a refusal must leave alone. */
  readonly dump: () => Promise<string>
  /** What failed inside, for messages. */
  readonly failures: readonly { code: string; cause: unknown }[]
}

/** Releases of the agent, some of which are deleted. */
const RELEASES = Array.from({ length: 20 }, (_, at) => `1.0.${at}`)

/** Candidates, and a restart. */
const FRAGMENTS = ['a=end-of-candidates\r\n', 'a=ice-ufrag:9uB6\r\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh1C\r\n']

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
  links: [{ link_id: 'lte-1', to: 'hub', medium: 'cellular' as const, tsn: false, capacity_kbps: null }],
  reported_links: [],
  labels: {},
  draining: false,
  created_at: 0,
}

/** A document without what its owner notes by itself: a webhook remembers since when it can't be reached. */
function asAsked({ kind, body, version, updated_at, ...rest }: StoredDocument): unknown {
  return kind === 'webhook'
    ? { kind, ...rest, body: { ...(body as object), failing_since: null } }
    : { kind, ...rest, body, version, updated_at }
}

/** All routes of the hub, over real parts but for media. */
export async function hubUnderTest(csr: string): Promise<ApiUnderTest> {
  const stack = new AsyncDisposableStack()
  const flows = stack.use(await flowRoutes())
  const releaseFolder = await mkdtemp(join(tmpdir(), 'lanecast-releases-'))
  stack.defer(() => rm(releaseFolder, { recursive: true, force: true }))
  const rig = stack.use(await apiRig({ ...flows, releaseFolder }))
  const [mine, other] = ['acme', 'rival']
  for (const tenantId of [mine, other]) {
    await rig.tenants.put(tenantId, { display_name: tenantId }, 'hub')
    await rig.directory.put(tenantId, `edge-of-${tenantId}`, NODE)
    await rig.policies.put(tenantId, { document: {}, by: 'hub', replaces: 0 })
  }
  // What is open to everybody is asked for by everybody.
  const open: AclRule = {
    effect: 'allow',
    subjects: ['anonymous'],
    actions: ['subscribe', 'stream.read'],
    streams: ['cam-*'],
  }
  await rig.policies.put(DEFAULT_TENANT, {
    document: { acl: [...DEFAULT_ACL, open] },
    by: 'hub',
    replaces: 0,
  })
  const streamsOf: Record<string, string> = { [mine]: 'cam-1', [other]: 'cam-of-rival' }
  for (const [tenantId, stream_id] of Object.entries(streamsOf)) {
    const token = await rig.tokenFor(tenantId, 'operator')
    for (const path of ['/v1/publish', '/v1/subscribe']) {
      const { status, text } = await rig.ask('POST', path, { token, body: { stream_id } })
      if (status !== 200) throw new Error(`${path} in ${tenantId}: ${text}`)
    }
    const program = { program_id: `program-of-${tenantId}`, inputs: [stream_id] }
    const made = await rig.ask('POST', '/v1/programs', { token, body: program })
    if (made.status !== 201) throw new Error(`a program in ${tenantId}: ${made.text}`)
    flows.alarm(tenantId, Date.now())
  }
  await rig.ask('POST', '/v1/publish', { body: { stream_id: 'cam-1' } })
  const [theirFlow, theirViewer] = flows.contractIds(other)
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
  const signers = [newSigner(), newSigner()]
  await rig.releases.changeKeys(signedKeys(1, signers, signers), 'hub')
  for (const version of RELEASES)
    await rig.releases.add(signedRelease(version, { arm64: Buffer.alloc(1_000_000) }, signers), 'hub')
  const [head, claims] = theirToken.split('.')
  const sessions: string[] = []
  const kinds = new Set([
    'token',
    'tenant',
    'node',
    'policy',
    'policy-version',
    'enrolment-token',
    'webhook',
    'contract',
    'program',
    'program-state',
    'release',
    'release-keys',
  ])
  return {
    sessions,
    url: rig.url,
    routes: rig.routes,
    tenantId: mine,
    get failures() {
      return [...rig.failures, ...flows.failures.map((cause) => ({ code: 'flows', cause }))]
    },
    goodTokens: async () => ({
      admin: (
        await rig.auth.tokens.issueJwt({ subject: 'root', role: 'admin', tenant_id: null, by: 'hub' }, 3600)
      ).token,
      operator: await rig.tokenFor(mine, 'operator'),
      publisher: await rig.tokenFor(mine, 'publisher'),
      viewer: await rig.tokenFor(mine, 'viewer'),
      node: (
        await rig.auth.tokens.issueJwt(
          { subject: 'edge', role: 'node', tenant_id: mine, node_id: `edge-of-${mine}`, by: 'hub' },
          3600,
        )
      ).token,
      foreign: await rig.tokenFor(other, 'operator'),
    }),
    tokenOf: async (role, grants = ALL_GRANTS) => {
      const { token } = await rig.auth.tokens.issueJwt(
        {
          subject: `some-${role}`,
          role,
          grants,
          by: 'hub',
          tenant_id: role === 'admin' ? null : mine,
          node_id: role === 'node' ? `edge-of-${mine}` : null,
        },
        3600,
      )
      return { token, principal: await rig.auth.authenticator.authenticateToken(token) }
    },
    policyOf: (tenantId) => rig.policies.effective(tenantId),
    contractsOf: async (stream_id) => {
      const token = await rig.tokenFor(mine, 'operator')
      const made: string[] = []
      for (const path of ['/v1/publish', '/v1/subscribe']) {
        const { json, text } = await rig.ask('POST', path, { token, body: { stream_id } })
        if (json?.contract_id === undefined) throw new Error(`${path}: ${text}`)
        made.push(json.contract_id)
      }
      return { sender: made[0]!, viewer: made[1]! }
    },
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
    foreign: [
      { field: 'tenant_id', theirs: other, absent: 'ghost' },
      { field: 'node_id', theirs: `edge-of-${other}`, absent: 'edge-of-ghost' },
      { field: 'token_id', theirs: theirs!, absent: 'a'.repeat(16) },
      { field: 'webhook_id', theirs: theirWebhook.webhook_id, absent: 'a'.repeat(16) },
      { field: 'enrolment_token_id', theirs: enrolment.info.enrolment_token_id, absent: 'a'.repeat(16) },
      { field: 'program_id', theirs: `program-of-${other}`, absent: 'program-of-ghosts' },
      { field: 'stream_id', theirs: streamsOf[other]!, absent: 'cam-of-ghosts' },
      { field: 'contract_id', theirs: theirFlow!, absent: `c-${'a'.repeat(24)}` },
      { field: 'contract_id', theirs: theirViewer!, absent: `c-${'b'.repeat(24)}` },
    ],
    hints: {
      tenant_id: [mine, DEFAULT_TENANT],
      node_id: [`edge-of-${mine}`],
      webhook_id: [ownWebhook.webhook_id],
      csr: [csr],
      compromised: [false],
      subjects: ['role:viewer', '*'],
      document: [{}],
      version: [0, 1],
      release_version: RELEASES,
      architecture: ['arm64'],
      stream_id: ['cam-1', 'cam-2', 'cam-3'],
      program_id: [`program-of-${mine}`, 'program-2', 'program-3'],
      get contract_id() {
        return [...flows.contractIds(mine), ...flows.contractIds(DEFAULT_TENANT), `c-${'0'.repeat(24)}`]
      },
      link_id: ['lte-1'],
      'application/sdp whip': [OBS_OFFER, GSTREAMER_OFFER, SIMULCAST_OFFER, PLAYER_OFFER],
      'application/sdp whep': [PLAYER_OFFER, PLAYER_OFFER, OBS_OFFER],
      'application/trickle-ice-sdpfrag whip': FRAGMENTS,
      'application/trickle-ice-sdpfrag whep': FRAGMENTS,
      session: sessions,
    },
    dump: async () => {
      const documents = await Promise.all(
        [...kinds, 'node-certificate', 'certificate-authority', 'signing-key'].map(async (kind) =>
          (await rig.store.list(kind, null)).map(asAsked),
        ),
      )
      return JSON.stringify([documents, await rig.store.auditHead(), flows.dump()])
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
