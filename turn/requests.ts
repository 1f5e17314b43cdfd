import type { StunMessage } from '../common/stun/stun-message.ts'
import { ATTRIBUTE, CLASS, METHOD, type StunError } from '../common/stun/stun-types.ts'
import { StunWriter } from '../common/stun/stun-writer.ts'
import type { Client } from './allocation.ts'
import { subjectOf } from './allocations.ts'
import { AnswerLimit } from './answer-limit.ts'
import {
  type Authenticator,
  authenticate,
  OFFERED_ALGORITHMS,
  type Proved,
  type Stranger,
} from './authentication.ts'
import { parseTurnUsername } from './credentials.ts'
import { allocate } from './methods/allocate.ts'
import { channelBind } from './methods/channel-bind.ts'
import { createPermission } from './methods/create-permission.ts'
import { refresh } from './methods/refresh.ts'
import type { Packets } from './packets.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { Desk, Refusal, Reply, Request } from './request.ts'
import { SubjectBudgets } from './subject-budgets.ts'

/** What strangers get over UDP is at most so many times what they sent: nobody can use us to flood others. */
export const MAX_AMPLIFICATION = 2
/** Refusals that an operator wants to know of each client; the others are faults of programs, and are counted. */
const AUDITED: ReadonlySet<string> = new Set<Stranger | Refusal>([
  ...(['credentials', 'expired', 'ended', 'wrong_user', 'peer'] as const),
  ...(['quota_user', 'quota_subject', 'quota_tenant', 'quota_address', 'quota_total', 'rate'] as const),
])
const METHODS: ReadonlySet<number> = new Set([
  METHOD.allocate,
  METHOD.refresh,
  METHOD.createPermission,
  METHOD.channelBind,
])

export interface RequestsOptions {
  readonly packets: Packets
  readonly desk: Desk
  readonly authenticator: Authenticator
  readonly refusals: RefusalLog
  /** Steady, ms. */
  readonly nowMs: () => number
  /** Since 1970, s. */
  readonly wallS: () => number
}

/** Requests of STUN and TURN: proves who asks, has the method answer, and writes the answer. */
export class Requests {
  readonly #options: RequestsOptions
  readonly #limit = new AnswerLimit()
  readonly #budgets = new SubjectBudgets()
  /** Answers to strangers that were left out, because they would be too many or too long. */
  withheld = 0

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  handle(client: Client, message: StunMessage): void {
    const { authenticator, desk, nowMs, wallS } = this.#options
    if (message.class !== CLASS.request) return
    if (message.method === METHOD.binding) return this.#binding(client, message)
    if (!METHODS.has(message.method)) return
    // Nobody has looked for it yet.
    if (client.allocation && client.allocation.expiresMs <= nowMs()) desk.allocations.end(client.allocation)
    const holder = client.allocation?.username ?? null
    const proved = authenticate(authenticator, message, client.address.ip, holder, nowMs() / 1000, wallS())
    if (typeof proved === 'string') return this.#stranger(client, message, proved)
    const reply = this.#reply({ client, message, proved })
    if ('error' in reply) this.#refused(reply.refusal, proved.user.tenantId, client)
    this.#answer(client, message, proved, reply)
  }

  /** Forgets what matters no more. Called now and then. */
  sweep(nowMs: number): void {
    this.#budgets.forget(nowMs)
  }

  #reply(request: Request): Reply {
    const { message, client, proved } = request
    const { desk } = this.#options
    const nowMs = this.#options.nowMs()
    if (!this.#budgets.take(subjectOf(proved.user), message.method, nowMs))
      return { error: message.method === METHOD.allocate ? 486 : 508, refusal: 'rate' }
    if (message.unknown.length > 0) return { error: 420, refusal: 'unknown_attribute' }
    if (message.method === METHOD.allocate) return allocate(request, desk, nowMs)
    const { allocation } = client
    if (!allocation) return { error: 437, refusal: 'no_allocation' }
    if (allocation.username !== proved.username) return { error: 441, refusal: 'wrong_user' }
    switch (message.method) {
      case METHOD.refresh:
        return refresh(request, allocation, desk, nowMs)
      case METHOD.createPermission:
        return createPermission(request, allocation, desk, nowMs)
      default:
        return channelBind(request, allocation, desk, nowMs)
    }
  }

  #answer(client: Client, message: StunMessage, proved: Proved, reply: Reply): void {
    const writer = this.#begin(message, 'error' in reply)
    if ('error' in reply) {
      writer.error(reply.error)
      if (reply.error === 420) writer.add(ATTRIBUTE.unknownAttributes, typesOf(message.unknown))
    } else reply.success(writer)
    writer.integrity(proved.integrity, proved.key)
    if (message.has(ATTRIBUTE.fingerprint)) writer.fingerprint()
    client.send(writer.start, writer.length)
  }

  /** Anybody may ask how we see their address. */
  #binding(client: Client, message: StunMessage): void {
    const { unknown } = message
    const writer = this.#begin(message, unknown.length > 0)
    if (unknown.length === 0) writer.address(ATTRIBUTE.xorMappedAddress, client.address)
    else writer.error(420, '').add(ATTRIBUTE.unknownAttributes, typesOf(unknown))
    this.#toStranger(client, message, writer)
  }

  #stranger(client: Client, message: StunMessage, stranger: Stranger): void {
    if (stranger !== 'anonymous') {
      const username = message.text(ATTRIBUTE.username)
      const tenant = username === null ? null : (parseTurnUsername(username)?.tenantId ?? null)
      this.#refused(stranger, tenant, client)
    }
    const error = stranger === 'malformed' ? 400 : stranger === 'stale_nonce' ? 438 : 401
    if (error === 400) return this.#toStranger(client, message, this.#begin(message, true).error(400, ''))
    const writer = this.#challenge(client, message, error, true)
    const fits = client.protocol !== 'udp' || this.#fits(message, writer)
    this.#toStranger(client, message, fits ? writer : this.#challenge(client, message, error, false))
  }

  /** What a client needs to prove who it is. @param whole offers SHA-256 too, and names the error */
  #challenge(client: Client, message: StunMessage, error: StunError, whole: boolean): StunWriter {
    const { authenticator, nowMs } = this.#options
    const { realm, nonces } = authenticator
    const writer = this.#begin(message, true).error(error, whole ? undefined : '')
    writer.text(ATTRIBUTE.realm, realm)
    writer.text(ATTRIBUTE.nonce, nonces.make(client.address.ip, nowMs() / 1000, whole))
    if (whole) writer.add(ATTRIBUTE.passwordAlgorithms, OFFERED_ALGORITHMS)
    return writer
  }

  #toStranger(client: Client, message: StunMessage, writer: StunWriter): void {
    const fingerprint = message.has(ATTRIBUTE.fingerprint)
    if (client.protocol === 'udp') {
      const allowed = this.#limit.allows(client.address, this.#options.nowMs() / 1000)
      if (!allowed || !this.#fits(message, writer)) {
        this.withheld += 1
        return
      }
    }
    if (fingerprint) writer.fingerprint()
    client.send(writer.start, writer.length)
  }

  #fits(message: StunMessage, writer: StunWriter): boolean {
    const fingerprint = message.has(ATTRIBUTE.fingerprint) ? 8 : 0
    return writer.length + fingerprint <= message.length * MAX_AMPLIFICATION
  }

  #begin(message: StunMessage, isError: boolean): StunWriter {
    const { packets } = this.#options
    const type = message.method | (isError ? CLASS.error : CLASS.success)
    return new StunWriter(packets.bytes, packets.room(), type, message.transaction)
  }

  #refused(reason: Stranger | Refusal, tenant: string | null, client: Client): void {
    const { refusals } = this.#options
    if (AUDITED.has(reason)) refusals.note(reason, tenant, client.address.ip)
    else refusals.count(reason)
  }
}

/** UNKNOWN-ATTRIBUTES, RFC 8489, section 14.13. */
function typesOf(types: readonly number[]): Buffer {
  return Buffer.from(types.flatMap((type) => [type >>> 8, type & 0xff]))
}
