import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Store } from '../store/store.ts'
import { type FirstAdminToken, firstAdminToken } from './admin-token.ts'
import { Authenticator } from './authenticate.ts'
import { Authorities } from './authorities.ts'
import { Enrolment } from './enrolment.ts'
import { NodeCertificates } from './node-certificates.ts'
import { type Actor, actorName } from './principal.ts'
import type { RevocationReason } from './revocation-reasons.ts'
import { SigningKeys } from './signing-keys.ts'
import { ownerOf } from './token-record.ts'
import { Tokens } from './tokens.ts'

export interface AuthOptions {
  readonly store: Store
  readonly sealer: Sealer
  /** The folder for the first admin token; null with AMNESIA. */
  readonly dataFolder: string | null
  /** Set where several hubs share a database: how often to look for changes by the other hubs, ms. */
  readonly refreshMs?: number | undefined
  /** Longest life of a JWT, seconds; 30 days by default. */
  readonly maxTokenSeconds?: number | undefined
  /** Life of a node's certificate, days, 1 to 90; 30 by default. */
  readonly certificateDays?: number | undefined
  /** Unix milliseconds; the system's clock by default. */
  readonly now?: () => number
  readonly logger: Logger
}

/** Everything that decides who a caller is. */
export interface Auth extends AsyncDisposable {
  readonly authenticator: Authenticator
  readonly tokens: Tokens
  readonly signingKeys: SigningKeys
  readonly authorities: Authorities
  readonly certificates: NodeCertificates
  readonly enrolment: Enrolment
  /** Set only at the hub's very first start: print it once. */
  readonly firstAdminToken: FirstAdminToken | undefined
  /** Revokes a node's certificates and tokens. Returns their number. */
  revokeNode(tenantId: string | null, nodeId: string, by: Actor, reason: RevocationReason): Promise<number>
  /** See Authorities.rotate. Returns the new CA's id. */
  rotateAuthority(by: Actor, compromised?: boolean): Promise<string>
}

const PRUNE_EVERY_MS = 3_600_000

/** @throws CodedError of the store, `sealing_key_missing`, `sealed_value_invalid`, `admin_token_unwritable` */
export async function openAuth(options: AuthOptions): Promise<Auth> {
  const { store, sealer, refreshMs, now = Date.now } = options
  const logger = options.logger.child({ room: 'auth' })
  const context = { store, sealer, refreshMs, now, logger }
  await using stack = new AsyncDisposableStack()
  const signingKeys = stack.use(await SigningKeys.open(context))
  const tokens = stack.use(await Tokens.open(context, signingKeys, { maxSeconds: options.maxTokenSeconds }))
  const authorities = stack.use(await Authorities.open(context))
  const certificates = stack.use(
    await NodeCertificates.open(context, authorities, { days: options.certificateDays }),
  )
  const enrolment = stack.use(await Enrolment.open(context, authorities, certificates))
  const first = await firstAdminToken(context, tokens, options.dataFolder)
  stack.use(
    every(PRUNE_EVERY_MS, async () => {
      for (const kept of [tokens, enrolment, certificates, authorities])
        await kept.prune().catch((error: unknown) => {
          logger.warn({ reason: messageOf(error) }, "can't delete expired records")
        })
    }),
  )
  const owned = stack.move()
  return {
    authenticator: new Authenticator(tokens, certificates),
    tokens,
    signingKeys,
    authorities,
    certificates,
    enrolment,
    firstAdminToken: first,
    async revokeNode(tenantId, nodeId, by, reason) {
      const revoked = await certificates.revokeNode(tenantId, nodeId, by, reason)
      return revoked + (await tokens.revokeAll(tenantId, ({ node_id }) => node_id === nodeId, by))
    },
    rotateAuthority(by, compromised = false) {
      const [actor, detail] = [actorName(by), { compromised }]
      const about = { action: 'authority.rotate', object: 'authority:new', outcome: 'done' }
      return authorities.rotate(compromised, [
        { tenant_id: ownerOf(null), at: now(), actor, ...about, detail },
      ])
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Runs `work` every `ms`, never two at once. Disposing waits for the run under way. */
function every(ms: number, work: () => Promise<void>): AsyncDisposable {
  let running = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(work)
  }, ms).unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}
