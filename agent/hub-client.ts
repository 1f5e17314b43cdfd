import { z } from 'zod'
import { CodedError, messageOf } from '../common/errors.ts'
import { type FlowContract, flowContractSchema } from '../common/wire/flow-contract.ts'
import { flowEventSchema, type publishRequestSchema } from '../common/wire/flows-api.ts'
import { hubErrorSchema } from '../common/wire/hub-error.ts'

/** Longest wait for an answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000
/** The hub holds a question for news open for 8 s; past this, in ms, the connection counts as dead. */
const NEWS_TIMEOUT_MS = 15_000

export interface HubClientOptions {
  /** The hub's address, as `https://hub.example:9415`. */
  readonly hubUrl: string
  /** Bearer token that may publish. */
  readonly token: string
}

/** A contract and how long it runs from the moment of the answer, ms, whatever this machine's clock says. */
export interface Grant {
  readonly contract: FlowContract
  readonly lifeMs: number
}

export type News =
  | { readonly type: 'granted'; readonly grant: Grant }
  | { readonly type: 'ended'; readonly reason: 'expired' | 'revoked' }

/** The hub answered with an error, or not at all (code `hub_unreachable`). */
export class HubRefusal extends CodedError {
  /** How long the hub asks to be left alone, ms; 0 where it does not say. */
  readonly retryAfterMs: number

  constructor(
    code: string,
    message: string,
    options: { status: number; retryAfterMs?: number; details?: readonly string[]; cause?: unknown },
  ) {
    super(code, message, options)
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

const newsSchema = z.object({ event: flowEventSchema.nullable() })

/** The calls of the REST API that a sender makes. Each throws HubRefusal, or the reason of `signal`. */
export class HubClient {
  readonly #options: HubClientOptions
  /** The hub's clock less this machine's, ms, by the Date header of its last answer (RFC 9110 section 6.6.1). */
  #aheadMs = 0

  constructor(options: HubClientOptions) {
    this.#options = options
  }

  get hubUrl(): string {
    return this.#options.hubUrl
  }

  /** A contract that came some other way, and how long it runs by the hub's own clock. */
  grantOf(contract: FlowContract): Grant {
    return { contract, lifeMs: contract.expires_at - (Date.now() + this.#aheadMs) }
  }

  /** Asks for the contract to send a stream; who has it already gets it again, renewed. */
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
    const { hubUrl, token } = this.#options
    let response: Response
    let answer: unknown
    try {
      response = await fetch(new URL(path, hubUrl), {
        method,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      })
      answer = await response.json().catch((cause: unknown) => {
        if (signal.aborted) throw cause
        return undefined
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw new HubRefusal('hub_unreachable', `the hub does not answer: ${rootOf(cause)}`, {
        status: 503,
        cause,
      })
    }
    if (!response.ok) throw refusalOf(response, answer)
    const parsed = schema.safeParse(answer)
    if (!parsed.success)
      throw new HubRefusal('hub_not_understood', `the hub's answer to ${method} ${path} is not understood`, {
        status: 502,
        // Only where and why: the values may be secrets.
        details: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.code}`),
      })
    const hubUnixMs = Date.parse(response.headers.get('date') ?? '')
    if (!Number.isNaN(hubUnixMs)) this.#aheadMs = hubUnixMs - Date.now()
    return parsed.data
  }
}

function refusalOf(response: Response, answer: unknown): HubRefusal {
  const { status, headers } = response
  const error = hubErrorSchema.safeParse(answer).data?.error
  const seconds = Number(headers.get('retry-after') ?? 0)
  return new HubRefusal(error?.code ?? 'unknown', error?.message ?? `the hub answered ${status}`, {
    status,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : 0,
    details: error?.details ?? [],
  })
}

/** fetch hides why it failed in the cause. */
function rootOf(thrown: unknown): string {
  return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause.message : messageOf(thrown)
}
