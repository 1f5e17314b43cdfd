import { isDeepStrictEqual } from 'node:util'
import { ClockWatch } from '../../../common/clock.ts'
import { CodedError, messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import { pause } from '../../../common/retry.ts'
import type { Identity, ServerIdentity } from '../server-identity.ts'
import { newAccount, registered } from './acme-account.ts'
import type { AcmeWork } from './acme-library.ts'
import { type IssuedIdentity, orderCertificate } from './acme-order.ts'
import type { AcmeRecord, AcmeRecords } from './acme-record.ts'
import {
  ACME_RULES,
  type AcmeRules,
  nextOrderAt,
  recentOrders,
  renewalAt,
  waitAfter,
} from './acme-schedule.ts'
import type { ChallengeAnswers, ChallengeType } from './challenge-answers.ts'

export interface AcmeCertificatesOptions {
  readonly directory: string
  readonly email: string
  readonly names: readonly string[]
  /** PEM of the CAs that sign for the ACME server itself; null: those that Node knows. */
  readonly ca: string | null
  readonly records: AcmeRecords
  readonly answers: ChallengeAnswers
  /** Ways to answer a challenge that work here now, the best first. */
  readonly ways: () => readonly ChallengeType[]
  /** Served while there is no certificate of the CA. */
  readonly fallback: ServerIdentity
  /** Says why there is no certificate for these names, or none newer; null when all is well. */
  readonly report: (failure: AcmeFailure | null) => void
  /** Called after each attempt, with what it failed by. */
  readonly tried: (
    names: readonly string[],
    error: { readonly code: string; readonly reason: string } | null,
  ) => void
  readonly logger: Logger
  readonly rules?: AcmeRules
  /** Unix milliseconds. */
  readonly now?: () => number
  readonly random?: () => number
}

export interface AcmeFailure {
  readonly names: readonly string[]
  readonly reason: string
  /** Failures in a row. */
  readonly failures: number
  /** When the certificate that is served expires, Unix milliseconds; null where none of the CA is served. */
  readonly expiresAt: number | null
  readonly nextTryAt: number
}

/** How often to look whether it is time: timers do not count sleep, and the clock may be set, ms. */
const LOOK_EVERY_MS = 3_600_000
/** A certificate that is not valid for so long yet, or due at once, says that a clock is wrong, ms. */
const SKEW_MS = 3_600_000

/** Certificates of a public CA, ordered and renewed by ACME (RFC 8555), one at a time. */
export class AcmeCertificates implements ServerIdentity {
  readonly #options: AcmeCertificatesOptions
  readonly #rules: AcmeRules
  readonly #now: () => number
  readonly #listeners = new Set<() => void>()
  readonly #closing = new AbortController()
  readonly #watch: ClockWatch
  #names: readonly string[]
  #record: AcmeRecord
  #wake = new AbortController()
  #running: Promise<void> = Promise.resolve()

  private constructor(options: AcmeCertificatesOptions, record: AcmeRecord) {
    this.#options = options
    this.#rules = options.rules ?? ACME_RULES
    this.#now = options.now ?? Date.now
    this.#names = options.names
    this.#record = record
    this.#watch = new ClockWatch(() => this.#wake.abort())
    options.fallback.onChange(() => {
      if (this.#served() === null) this.#tell()
    })
  }

  /** Reads what is stored. Orders nothing before `begin`. @throws CodedError of the store and the seals */
  static async open(options: AcmeCertificatesOptions): Promise<AcmeCertificates> {
    return new AcmeCertificates(options, await options.records.read(options.directory))
  }

  get current(): Identity {
    return this.#served() ?? this.#options.fallback.current
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get names(): readonly string[] {
    return this.#names
  }

  /** From now on for these names. The certificate before stays until there is another. */
  rename(names: readonly string[]): void {
    if (isDeepStrictEqual(names, this.#names)) return
    this.#names = names
    this.#wake.abort()
  }

  /** Call once the hub answers challenges. */
  begin(): void {
    const { logger } = this.#options
    if (this.#served() === null)
      logger.warn(
        { names: this.#names },
        "there is no certificate of the public CA yet: until there is, the hub shows one of its own CA, which browsers don't know",
      )
    if (this.#record.lastFailure !== null && this.#record.retryAt !== null)
      this.#report(this.#record.lastFailure, this.#record.retryAt)
    this.#running = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#watch[Symbol.dispose]()
    this.#listeners.clear()
    await this.#running
    await this.#options.fallback[Symbol.asyncDispose]()
  }

  /** The CA's certificate, while it may be shown. Old names are shown until there is a certificate for the new ones. */
  #served(): Identity | null {
    const { certificate } = this.#record
    if (certificate === null || certificate.notAfter <= this.#now()) return null
    return { certificate: certificate.chain, key: certificate.key }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const now = this.#now()
      const { certificate, retryAt, orders } = this.#record
      const fits = certificate !== null && isDeepStrictEqual(certificate.names, this.#names)
      const at = nextOrderAt(
        { renewAt: fits ? certificate.renewAt : null, retryAt, orders },
        now,
        this.#rules,
      )
      if (at <= now) await this.#order(signal)
      else {
        this.#wake = new AbortController()
        const either = AbortSignal.any([signal, this.#wake.signal])
        await pause(Math.min(at - now, LOOK_EVERY_MS), either).catch(() => {})
        this.#expire()
      }
    }
  }

  /** Shows the hub's own certificate again, where the CA's has run out. */
  #expire(): void {
    if (this.#record.certificate !== null && this.#served() === null) this.#tell()
  }

  async #order(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options
    const names = this.#names
    try {
      const issued = await this.#issue(names, signal)
      const { notBefore, notAfter } = issued
      const renewAt = renewalAt(notBefore, notAfter, this.#rules, this.#options.random ?? Math.random)
      const certificate = { names, chain: issued.certificate, key: issued.key, notBefore, notAfter, renewAt }
      // Shown even where it can't be stored: it counts against the CA's limits either way.
      this.#record = { ...this.#record, certificate, failures: 0, retryAt: null, lastFailure: null }
      this.#tell()
      logger.info(
        { names, until: new Date(notAfter), renewal: new Date(renewAt) },
        'the public CA issued a certificate: the hub shows it from now on',
      )
      await this.#keep({})
      this.#checkClock(notBefore, renewAt)
      this.#options.report(null)
      this.#options.tried(names, null)
    } catch (error) {
      if (!signal.aborted) await this.#failed(error)
    }
  }

  /** One attempt. What must not be forgotten is stored before the CA hears of it. */
  async #issue(names: readonly string[], signal: AbortSignal): Promise<IssuedIdentity> {
    const { directory, email, ca, answers, ways } = this.#options
    const about: AcmeWork = { signal, ca }
    const possible = ways()
    // Another way at each failure: what one can't prove, the other may.
    const challenge = possible[this.#record.failures % possible.length]
    if (challenge === undefined)
      throw new CodedError('acme_challenge_failed', 'no way to answer a challenge of the CA is open here')
    if (this.#record.account === null) await this.#keep({ account: await newAccount(email, about) })
    const account = await registered(directory, this.#record.account!, email, about)
    const orders = [...recentOrders(this.#record.orders, this.#now(), this.#rules), this.#now()]
    await this.#keep({ account, orders })
    return await orderCertificate({ directory, names, account, challenge, answers }, about)
  }

  /** A new certificate that is not valid yet, or due already, is renewed for ever if a clock is wrong. */
  #checkClock(notBefore: number, renewAt: number): void {
    const now = this.#now()
    if (now >= notBefore - SKEW_MS && now < renewAt) return
    throw new CodedError(
      'acme_refused',
      `the machine's clock is wrong: it says ${new Date(now).toISOString()}, and a certificate that was issued just now is valid from ${new Date(notBefore).toISOString()}`,
      { details: ['set the clock (timedatectl set-ntp true)'], retryAfterSeconds: 86_400 },
    )
  }

  async #failed(error: unknown): Promise<void> {
    const { logger, random = Math.random } = this.#options
    const coded = error instanceof CodedError ? error : null
    const failures = this.#record.failures + 1
    const wait = waitAfter(
      failures,
      {
        unreachable: coded?.code === 'acme_unreachable',
        retryAfterSeconds: coded?.hints.retryAfterSeconds,
      },
      this.#rules,
      random,
    )
    const retryAt = Math.round(this.#now() + wait)
    const lastFailure = [messageOf(error), ...(coded?.details ?? [])].join('; ').slice(0, 1000)
    // An account that the CA does not take any more is replaced: with its key it may be refused for ever.
    const account = coded?.code === 'acme_account_unknown' ? null : this.#record.account
    const next = { account, failures, retryAt, lastFailure }
    this.#record = { ...this.#record, ...next }
    logger.error(
      { code: coded?.code, names: this.#names, reason: lastFailure, failures, next_try: new Date(retryAt) },
      'no certificate could be had from the public CA; the one before stays',
    )
    await this.#keep({}).catch((failure: unknown) => {
      logger.error({ reason: messageOf(failure) }, "the state of the certificate's renewal can't be stored")
    })
    this.#report(lastFailure, retryAt)
    this.#options.tried(this.#names, { code: coded?.code ?? 'internal', reason: lastFailure })
  }

  #report(reason: string, nextTryAt: number): void {
    const { failures, certificate } = this.#record
    this.#options.report({
      names: this.#names,
      reason,
      failures,
      expiresAt: this.#served() === null ? null : certificate!.notAfter,
      nextTryAt,
    })
  }

  async #keep(change: Partial<AcmeRecord>): Promise<void> {
    const next = { ...this.#record, ...change }
    await this.#options.records.write(next)
    this.#record = next
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
