import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { JsonGeneralNames } from '@peculiar/x509'
import { ClockWatch, SYSTEM_CLOCK } from '../../common/clock.ts'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Authorities } from '../auth/authorities.ts'
import { generateKeys, type KeyPair } from '../auth/authority-keys.ts'
import type { Identity, ServerIdentity } from './server-identity.ts'

export interface IssuedIdentityOptions {
  readonly authorities: Pick<Authorities, 'issue' | 'chain' | 'currentId' | 'onChange'>
  /** The host of the listener. */
  readonly bind: string
  /** Further names and addresses that clients use. */
  readonly names: readonly string[]
  readonly days?: number
  /** How often to look whether the certificate must be renewed, ms. */
  readonly checkMs?: number
  readonly now?: () => number
  readonly logger: Logger
}

const DAYS = 30
const CHECK_MS = 3_600_000
/** A certificate is valid from a little before it was issued. A clock set back further renews it, ms. */
const BACK_MS = 60_000
/** The certificate is renewed when this share of its life is left. */
const RENEW_AT = 1 / 3

/**
 * A certificate of the hub's own CA for its listeners, renewed before it expires and when the CA is replaced. The key
 * is kept in memory only: each start makes a new key.
 */
export class IssuedIdentity implements ServerIdentity {
  readonly #options: IssuedIdentityOptions
  readonly #listeners = new Set<() => void>()
  readonly #timer: NodeJS.Timeout
  /** When the clock is set, a certificate may at once be expired or not valid yet. */
  readonly #watch: ClockWatch
  readonly #endAuthorityChanges: () => void
  #state: IssuedState
  #renewing: Promise<void> = Promise.resolve()

  private constructor(options: IssuedIdentityOptions, state: IssuedState) {
    this.#options = options
    this.#state = state
    this.#timer = setInterval(() => this.#renewIfDue(), options.checkMs ?? CHECK_MS).unref()
    const wall = options.now ?? SYSTEM_CLOCK.wall
    this.#watch = new ClockWatch(() => this.#renewIfDue(), { ...SYSTEM_CLOCK, wall })
    this.#endAuthorityChanges = options.authorities.onChange(() => this.#renewIfDue())
  }

  static async open(options: IssuedIdentityOptions): Promise<IssuedIdentity> {
    return new IssuedIdentity(options, await issue(options))
  }

  get current(): Identity {
    return this.#state.identity
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#watch[Symbol.dispose]()
    this.#endAuthorityChanges()
    this.#listeners.clear()
    await this.#renewing
  }

  #renewIfDue(): void {
    this.#renewing = this.#renewing.then(() => this.#renew())
  }

  async #renew(): Promise<void> {
    const { authorities, logger, now = Date.now } = this.#options
    try {
      const { ca_id, issuedAt, renewAt } = this.#state
      if (authorities.currentId === ca_id && now() >= issuedAt - BACK_MS && now() < renewAt) return
      this.#state = await issue(this.#options)
      logger.info({ until: new Date(this.#state.notAfter) }, "the hub's TLS certificate was renewed")
      for (const listener of this.#listeners) listener()
    } catch (error) {
      logger.error({ reason: messageOf(error) }, "the hub's TLS certificate can't be renewed")
    }
  }
}

interface IssuedState {
  readonly identity: Identity
  readonly ca_id: string
  /** Unix milliseconds. */
  readonly issuedAt: number
  readonly renewAt: number
  readonly notAfter: number
}

async function issue(options: IssuedIdentityOptions): Promise<IssuedState> {
  const { authorities, bind, names, days = DAYS, now = Date.now } = options
  const life = days * 86_400_000
  const keys = await generateKeys()
  const { pem, ca_id, not_after } = await authorities.issue({
    commonName: 'Lanecast hub',
    names: subjectNames(bind, names),
    usage: 'server',
    publicKey: keys.publicKey,
    notAfter: now() + life,
  })
  const issuedAt = now()
  const certificate = [pem, ...authorities.chain()].join('')
  const identity = { certificate, key: await privatePem(keys) }
  return { identity, ca_id, issuedAt, renewAt: not_after - life * RENEW_AT, notAfter: not_after }
}

/** Names by which clients may call this hub, without doubles. A wildcard address means all of the machine's. */
export function subjectNames(bind: string, names: readonly string[]): JsonGeneralNames {
  const everywhere = ['0.0.0.0', '::', '*', ''].includes(bind)
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  const given = everywhere ? [hostname(), ...own] : [bind]
  const all = new Set([...names, ...given, 'localhost', '127.0.0.1', '::1'])
  return [...all].map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name }))
}

async function privatePem({ privateKey }: KeyPair): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
}
