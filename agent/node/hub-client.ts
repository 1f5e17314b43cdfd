import { z } from 'zod'
import { isErrorCode } from '../../common/error-codes.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import { type FlowContract, flowContractSchema } from '../../common/wire/flow-contract.ts'
import { flowEventSchema, type publishRequestSchema } from '../../common/wire/flows-api.ts'
import { hubErrorSchema } from '../../common/wire/hub-error.ts'
import { HubClock } from './hub-clock.ts'
import { askHub, type HubAnswer } from './hub-request.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Longest wait for an answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000
/** The hub holds a question for news for 8 s. After this time the connection counts as dead, ms. */
const NEWS_TIMEOUT_MS = 15_000

export interface HubClientOptions {
  /** The hub's address, for instance `https://hub.example:9415`. */
  readonly hubUrl: string
  /** Bearer token that may publish. A node proves its identity by its certificate instead. */
  readonly token?: string
  /** Returns the node's present certificate, for each request. */
  readonly identity?: () => TlsIdentity
  /** The hub's clock, where others know it too. */
  readonly clock?: HubClock
}

/** A contract and its remaining time at the moment of the answer, ms, independent of this machine's clock. */
export interface Grant {
  readonly contract: FlowContract
  readonly lifeMs: number
}

export type News =
  | { readonly type: 'granted'; readonly grant: Grant }
  | { readonly type: 'ended'; readonly reason: 'expired' | 'revoked' }

/** The hub answered with an error, or not at all (code `hub_unreachable`). */
export class HubRefusal extends CodedError {
  /** How long the hub asks the client to wait, ms; 0 where it does not say. */
  get retryAfterMs(): number {
    return (this.hints.retryAfterSeconds ?? 0) * 1000
  }
}

const newsSchema = z.object({ event: flowEventSchema.nullable() })

/** The REST calls of a sender. Each throws HubRefusal, or the reason of `signal`. */
export class HubClient {
  readonly #options: HubClientOptions
  readonly #clock: HubClock

  constructor(options: HubClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? new HubClock()
  }

  get hubUrl(): string {
    return this.#options.hubUrl
  }

  /** Returns the node's present certificate; undefined for a sender with a token. */
  get identity(): (() => TlsIdentity) | undefined {
    return this.#options.identity
  }

  /** A contract that came another way, with its remaining time by the hub's clock. */
  grantOf(contract: FlowContract): Grant {
    return { contract, lifeMs: contract.expires_at - this.#clock.hubNow() }
  }

  /** Asks for the contract to send a stream. A sender that has the contract already gets it again, renewed. */
  async publish(request: z.input<typeof publishRequestSchema>, signal: AbortSignal): Promise<Grant> {
    return this.#grant('/v1/publish', request, signal)
  }

  async renew(contractId: string, signal: AbortSignal): Promise<Grant> {
    return this.#grant(`/v1/flows/${contractId}/renew`, undefined, signal)
  }

  /** Waits for a version after `afterVersion`, or the contract's end; null when there was no news for some seconds. */
  async next(contractId: string, afterVersion: number, signal: AbortSignal): Promise<News | null> {
    const path = `/v1/flows/${contractId}/next?after_version=${afterVersion}`
    const { event } = await this.#ask('GET', path, newsSchema, { signal, timeoutMs: NEWS_TIMEOUT_MS })
    if (event?.type === 'contract') return { type: 'granted', grant: this.grantOf(event.contract) }
    return event
  }

  async #grant(path: string, body: unknown, signal: AbortSignal): Promise<Grant> {
    return this.grantOf(await this.#ask('POST', path, flowContractSchema, { signal, body }))
  }

  async #ask<Schema extends z.ZodType>(
    method: string,
    path: string,
    schema: Schema,
    {
      signal,
      body,
      timeoutMs = ANSWER_TIMEOUT_MS,
    }: { signal: AbortSignal; body?: unknown; timeoutMs?: number },
  ): Promise<z.infer<Schema>> {
    const { hubUrl, token, identity } = this.#options
    let answer: HubAnswer
    try {
      answer = await askHub(new URL(path, hubUrl), {
        method,
        body,
        tls: identity?.(),
        clock: this.#clock,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      })
    } catch (cause) {
      signal.throwIfAborted()
      // A proxy that refuses and a hub that is another one are no hub that is away.
      if (cause instanceof CodedError) throw new HubRefusal(cause.code, cause.message, { cause })
      throw new HubRefusal('hub_unreachable', `the hub does not answer: ${messageOf(cause)}`, {
        cause,
      })
    }
    if (answer.status < 200 || answer.status > 299) throw refusalOf(answer)
    const parsed = schema.safeParse(answer.json)
    if (!parsed.success)
      throw new HubRefusal('hub_not_understood', `the hub's answer to ${method} ${path} is not understood`, {
        // Only where and why: the values may be secrets.
        details: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.code}`),
      })
    return parsed.data
  }
}

/** The hub's words in an error answer. */
export function refusalOf({ status, header, json }: HubAnswer): HubRefusal {
  const error = hubErrorSchema.safeParse(json).data?.error
  const seconds = Number(header('retry-after') ?? 0)
  const { code = '', message = `the hub answered ${status}`, details = [] } = error ?? {}
  // A hub of a newer release may have codes that this release does not know.
  const told = error && !isErrorCode(code) ? `${code}: ${message}` : message
  return new HubRefusal(isErrorCode(code) ? code : 'hub_refused', told, {
    status,
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : 0,
    details,
  })
}
