import { z } from 'zod'
import type { ErrorCode } from '../../common/error-codes.ts'
import { issueLines } from '../../common/issue-lines.ts'
import type { Action } from '../../common/wire/ids.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import type { CostClass } from '../auth/rate-limits.ts'
import type { Authorization } from '../policies/authorizer.ts'
import type { EntityTags } from './preconditions.ts'

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete' | 'options'

/** The caller, and the tenant of the request. */
export interface RouteContext {
  /** A caller without a proof is `anonymous` in the tenant of the request. */
  readonly principal: AuthenticatedPrincipal
  /**
   * The tenant that the request is about: the caller's own, or the tenant that the hub's admin named. HUB_TENANT_ID for
   * a node that the hub shares with every tenant: such a node acts in no tenant.
   */
  readonly tenantId: string
  /** As `tenantId`, but null where the hub's admin named no tenant: lists then show every tenant's items. */
  readonly tenantFilter: string | null
  /** The address of the caller, for rate limits and the audit trail. */
  readonly address: string
  readonly requestId: string
  /** Scheme, host and port that the client used, e.g. `https://hub.example:9415`. */
  readonly origin: string
  /** Whether a web page asks: browsers send the page's origin with every request other than GET. */
  readonly fromPage: boolean
  /** Value of `If-Match`; null without the header. Only on routes with `ifMatch`. */
  readonly ifMatch: EntityTags | null
  /** Aborted when the client is gone or the request's time is over. */
  readonly signal: AbortSignal
}

/** An answer with headers, of another type than JSON, or with another status than the route's usual one. */
export class Reply<T> {
  readonly body: T
  readonly headers: Readonly<Record<string, string>>
  readonly status: 204 | undefined

  /** @param status 204 leaves out the body */
  constructor(body: T, headers: Readonly<Record<string, string>>, status?: 204) {
    this.body = body
    this.headers = headers
    this.status = status
  }
}

/** What a request is about; see RouteContext. */
export interface Scope {
  readonly tenantId?: string | undefined
  readonly streamId?: string | undefined
  /** In place of `streamId`, for several streams: the ACL is asked about each; null means about no stream. */
  readonly streamIds?: readonly (string | null)[]
  /**
   * Instead of `streamId`, for a request about a stream that the request does not name, for instance the stream of its
   * contract. Called with `tenantFilter`, so that it finds nothing of another tenant and rules about streams hold.
   */
  readonly streamOf?: (tenantFilter: string | null) => string | undefined
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

/** What a request says before its body. */
export interface RouteHead<P, Q> {
  readonly params: Parsed<P>
  readonly query: Parsed<Q>
}

export interface RouteInput<P, Q, B> extends RouteHead<P, Q> {
  readonly body: Parsed<B>
}

/** The caller, as `admit` sees the caller. */
export interface Asking extends Pick<RouteContext, 'principal' | 'tenantId'> {
  readonly ask: (action: Action, streamId: string) => Authorization
}

interface RouteFacts {
  readonly method: Method
  /** Path, with parameters in braces: `/v1/streams/{stream_id}`. */
  readonly path: string
  /** A few words, the heading in the reference. */
  readonly summary: string
  /** What the route does and what a caller must know, in sentences. */
  readonly description: string
  /** The action that the ACL is asked about. null asks nothing: without a `role` the route is open to everybody. */
  readonly action: Action | null
  /** With `action` null: reads a proof if there is one, because the answer depends on the caller. */
  readonly identifies?: boolean
  /** With `action` null: the action that `admit` asks about the stream of the path. */
  readonly admits?: Action
  /** The ACL is asked about callers without a proof, too. On other routes they are refused before anything is read. */
  readonly anonymous?: boolean
  /**
   * The route answers a list of items about streams, and leaves out those that the caller may not see. Here the ACL is
   * asked only whether the caller may see any item at all.
   */
  readonly lists?: boolean
  /** Only for the hub's own admin, or only for nodes with their certificate. */
  readonly role?: 'admin' | 'node'
  /** What a request costs in the caller's rate limit. */
  readonly cost: CostClass
  /** Types of body that the route takes; by default JSON alone. */
  readonly bodyTypes?: readonly BodyType[]
  /** Longest body, bytes; 1 MiB by default, and never more, but 2 MiB for pictures and 4 MiB for media. */
  readonly maxBodyBytes?: number
  /** Whether `If-Match` is read, and whether the header must be there (428 without). */
  readonly ifMatch?: 'optional' | 'required'
  /** Codes that the route may give beside those of the frame (bad_request, unauthenticated, denied, …). */
  readonly errors?: readonly ErrorCode[]
  /** The answer may wait for news. The wait ends when the caller's proof is revoked. */
  readonly holds?: boolean
  /** Pages of any origin may ask. Every answer and every error says so (doors/door-cors.ts). */
  readonly anyOrigin?: boolean
  /** Longest time until the answer, ms; 10 000 by default. */
  readonly timeoutMs?: number
}

/** The route gets the types of SDP as text; pictures, media and octets as bytes. */
export type BodyType =
  | 'application/json'
  | 'application/yaml'
  | 'application/toml'
  | 'application/sdp'
  | 'application/trickle-ice-sdpfrag'
  | 'application/octet-stream'
  | 'image/png'
  | 'image/jpeg'
  | 'video/mp2t'

export interface AnswerSpec<A extends z.ZodType> {
  readonly status: 200 | 201 | 202 | 204
  readonly schema?: A
  /** JSON by default. With another type, `handle` answers text or bytes, and there is no schema. */
  readonly type?: string
  /** Headers of the route's Reply beside `cache-control` and `content-security-policy`, by name. */
  readonly headers?: Readonly<Record<string, HeaderSpec>>
  /** The meaning of an answer with 204 instead, with the same headers. */
  readonly orNothing?: string
}

/** A header of an answer. */
export interface HeaderSpec {
  readonly description: string
  readonly example: string
  /** Present only in the cases that the header's description names. */
  readonly optional?: boolean
}

export interface RouteSpec<
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
  A extends z.ZodType,
> extends RouteFacts {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly answer: AnswerSpec<A>
  /** Left out: `tenant_id` and `stream_id` of the path or the query. */
  readonly scope?: (head: RouteHead<P, Q>) => Scope
  /** What the body adds to the scope. Left out: the body's `tenant_id` and `stream_id`. */
  readonly bodyScope?: BodyScope<Parsed<B>>
  /** Refuses by throwing, before the body is read: with `action` null, where not only the ACL lets people in. */
  readonly admit?: (asking: Asking, head: RouteHead<P, Q>) => void
  /** How many things a request asks for, which multiplies its cost; 1 by default. */
  readonly units?: (input: RouteInput<P, Q, B>) => number
  readonly handle: (context: RouteContext, input: RouteInput<P, Q, B>) => Promise<Answered<A>> | Answered<A>
}

type Answered<A extends z.ZodType> = z.input<A> | Reply<z.input<A>>

/** Which parts of a scope a body can name, and how. */
export interface BodyScope<B> {
  readonly names: readonly ScopeField[]
  readonly of: (body: B) => Scope
}

const SCOPE_FIELDS = ['tenant_id', 'stream_id'] as const
type ScopeField = (typeof SCOPE_FIELDS)[number]

/** What a request's path and query say, unparsed. */
export interface RawHead {
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
}

/** A parsed part of a request, or a line for each of its faults. */
export type Outcome<T> = { readonly ok: T } | { readonly wrong: readonly string[] }

/** A valid path and query. */
export interface PreparedHead {
  readonly scope: Scope
  readonly admit: ((asking: Asking) => void) | undefined
  /** @param body undefined for a request without a body */
  readonly prepare: (body: unknown) => Outcome<Prepared>
}

/** Valid input. */
export interface Prepared {
  readonly units: number
  readonly scope: Scope
  readonly run: (context: RouteContext) => Promise<unknown>
}

/** A route as the frame and the OpenAPI document see it. */
export interface Route extends RouteFacts {
  readonly params: z.ZodObject | undefined
  readonly query: z.ZodObject | undefined
  readonly body: z.ZodType | undefined
  readonly answer: AnswerSpec<z.ZodType>
  /** The fields of the scope that path and query can name, and those that the body can name; none without a body. */
  readonly headNames: readonly ScopeField[]
  readonly bodyNames: readonly ScopeField[]
  readonly prepareHead: (raw: RawHead) => Outcome<PreparedHead>
}

/** One route of the API: its name, who may call it, what goes in and out, and what it does. */
export function defineRoute<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  A extends z.ZodType = z.ZodType,
>(spec: RouteSpec<P, Q, B, A>): Route {
  const { params, query, body, scope = scopeOfHead, bodyScope, admit, units, handle, ...facts } = spec
  const { names, of: scopeInBody } = bodyScope ?? bodyScopeOf<Parsed<B>>(body)
  return {
    ...facts,
    params,
    query,
    body,
    headNames: spec.scope ? SCOPE_FIELDS : [...namedIn(params), ...namedIn(query)],
    bodyNames: names,
    prepareHead: (raw) => {
      const paths = parsed('path', params, raw.params)
      const queries = parsed('query', query ?? noQuery, raw.query)
      const wrong = [...paths.wrong, ...queries.wrong]
      if (wrong.length > 0) return { wrong }
      // The schemas P, Q and B give Parsed<P>, Parsed<Q> and Parsed<B>, which TypeScript can't follow.
      const head = { params: paths.value, query: queries.value } as RouteHead<P, Q>
      const ofHead = scope(head)
      const prepare = (given: unknown): Outcome<Prepared> => {
        const { value, wrong: inBody } = parsed('body', body, given)
        if (inBody.length > 0) return { wrong: inBody }
        const input = { ...head, body: value } as RouteInput<P, Q, B>
        return {
          ok: {
            scope: body === undefined ? ofHead : joined(ofHead, scopeInBody(input.body)),
            units: units?.(input) ?? 1,
            run: async (context) => await handle(context, input),
          },
        }
      }
      return {
        ok: { scope: ofHead, admit: admit && ((asking: Asking) => admit(asking, head)), prepare },
      }
    },
  }
}

const noQuery = z.strictObject({})

function parsed(
  name: string,
  schema: z.ZodType | undefined,
  given: unknown,
): { readonly value?: unknown; readonly wrong: readonly string[] } {
  const result = schema?.safeParse(given, holdsMany(given) ? AT_FIRST_FAULT : undefined)
  if (result?.success === false) return { wrong: issueLines(name, result.error.issues, schema) }
  return { value: result?.data, wrong: [] }
}

/** Stops zod at the first fault. zod's own `validate` uses these; `safeParse` takes them too, without a type. */
const AT_FIRST_FAULT = { abortEarly: true, reportInput: false } as const

/** Above this number of values an error names only the first fault: to note thousands of faults takes too long. */
const MANY_VALUES = 500

function holdsMany(given: unknown): boolean {
  let left = MANY_VALUES
  const count = (value: unknown): void => {
    left -= 1
    if (typeof value !== 'object' || value === null) return
    for (const inner of Object.values(value)) {
      if (left <= 0) return
      count(inner)
    }
  }
  count(given)
  return left <= 0
}

/** The scope that the path or the query names. */
function scopeOfHead({ params, query }: RouteHead<unknown, unknown>): Scope {
  const named = (field: ScopeField) => textIn(params, field) ?? textIn(query, field)
  return { tenantId: named('tenant_id'), streamId: named('stream_id') }
}

function namedIn(schema: z.ZodType | undefined): ScopeField[] {
  const fields = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  return SCOPE_FIELDS.filter((field) => fields.includes(field))
}

/** Decided by the schema: a body that is no object with such a field names nothing. */
function bodyScopeOf<B>(schema: z.ZodType | undefined): BodyScope<B> {
  return {
    names: namedIn(schema),
    of: (body) => ({ tenantId: textIn(body, 'tenant_id'), streamId: textIn(body, 'stream_id') }),
  }
}

/** Path and query come before the body. */
function joined(head: Scope, body: Scope): Scope {
  const tenantId = head.tenantId ?? body.tenantId
  if (head.streamOf !== undefined) return { ...head, tenantId }
  return { ...body, tenantId, streamId: head.streamId ?? body.streamId }
}

function textIn(part: unknown, field: string): string | undefined {
  if (typeof part !== 'object' || part === null) return undefined
  const value: unknown = Reflect.get(part, field)
  return typeof value === 'string' ? value : undefined
}
