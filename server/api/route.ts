import { z } from 'zod'
import type { Action } from '../../common/wire/ids.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import type { CostClass } from '../auth/rate-limits.ts'
import { issueLines } from './issue-lines.ts'
import type { EntityTags } from './preconditions.ts'

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete' | 'options'

/** Who asks and for whom. */
export interface RouteContext {
  /** Somebody without a proof is `anonymous` in the tenant that the request is about. */
  readonly principal: AuthenticatedPrincipal
  /**
   * The tenant that the request is about: the caller's own, or the one that the hub's admin named. HUB_TENANT_ID for a
   * node that the hub shares with every tenant: it acts in none.
   */
  readonly tenantId: string
  /** As `tenantId`, but null where the hub's admin named none: lists then show every tenant's. */
  readonly tenantFilter: string | null
  /** Where the request came from, for rate limits and the audit trail. */
  readonly address: string
  readonly requestId: string
  /** Scheme, host and port that the client used, e.g. `https://hub.example:9415`. */
  readonly origin: string
  /** Whether a web page asks: browsers tell the page's origin with every request that is no GET. */
  readonly fromPage: boolean
  /** What `If-Match` said; null without one. Only on routes with `ifMatch`. */
  readonly ifMatch: EntityTags | null
  /** Aborted when the client is gone or the request's time is over. */
  readonly signal: AbortSignal
}

/** An answer with headers, of another kind than JSON, or of another status than is usual on its route. */
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
  /**
   * In place of `streamId`, for what is about a stream that the request does not name: its contract's, say. Asked with
   * `tenantFilter`, so that nothing of another tenant is found, and rules about streams hold for what is theirs.
   */
  readonly streamOf?: (tenantFilter: string | null) => string | undefined
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

export interface RouteInput<P, Q, B> {
  readonly params: Parsed<P>
  readonly query: Parsed<Q>
  readonly body: Parsed<B>
}

interface RouteFacts {
  readonly method: Method
  /** With parameters in braces: `/v1/streams/{stream_id}`. */
  readonly path: string
  /** A few words, as the reference's heading. */
  readonly summary: string
  /** What it does and what must be known, in sentences. */
  readonly description: string
  /** What the ACL is asked. null asks nothing: without a `role` the route is open to everybody, token or not. */
  readonly action: Action | null
  /** Where `action` is null: takes a proof where there is one, because the answer depends on who asks. */
  readonly identifies?: boolean
  /** The ACL is asked about somebody without a proof as well; elsewhere they are refused before anything is read. */
  readonly anonymous?: boolean
  /** Only the hub's own admin, or only nodes with their certificate. */
  readonly role?: 'admin' | 'node'
  /** What a request takes from the caller's rate limit. */
  readonly cost: CostClass
  /** Bodies taken; JSON alone by default. */
  readonly bodyTypes?: readonly BodyType[]
  /** Longest body, bytes; 1 MiB by default, and never more. */
  readonly maxBodyBytes?: number
  /** Whether `If-Match` is read, and whether it must be there (428 without). */
  readonly ifMatch?: 'optional' | 'required'
  /** Codes it may give beside those of the frame (bad_request, unauthenticated, denied, …), by status. */
  readonly errors?: Readonly<Record<number, readonly string[]>>
  /** The answer may wait for news: the wait ends when the caller's proof is revoked. */
  readonly holds?: boolean
  /** Pages of any origin may ask: every answer, errors too, says so (doors/door-cors.ts). */
  readonly anyOrigin?: boolean
  /** Longest time until the answer, ms; 10 000 by default. */
  readonly timeoutMs?: number
}

/** The last two are taken as the text they are. */
export type BodyType =
  | 'application/json'
  | 'application/yaml'
  | 'application/sdp'
  | 'application/trickle-ice-sdpfrag'

export interface AnswerSpec<A extends z.ZodType> {
  readonly status: 200 | 201 | 202 | 204
  readonly schema?: A
  /** JSON by default; with another, `handle` answers text or bytes and there is no schema. */
  readonly type?: string
  /** What a Reply of the route brings beside `cache-control` and `content-security-policy`, by name. */
  readonly headers?: Readonly<Record<string, HeaderSpec>>
  /** When it is 204 instead, with the same headers. */
  readonly orNothing?: string
}

/** A header of an answer. */
export interface HeaderSpec {
  readonly description: string
  readonly example: string
  /** Only where its description says so. */
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
  /** Left out: `tenant_id` and `stream_id` of the path, the query or the body. */
  readonly scope?: (input: RouteInput<P, Q, B>) => Scope
  /** How many things a request asks for, for its cost; 1 by default. */
  readonly units?: (input: RouteInput<P, Q, B>) => number
  readonly handle: (context: RouteContext, input: RouteInput<P, Q, B>) => Promise<Answered<A>> | Answered<A>
}

type Answered<A extends z.ZodType> = z.input<A> | Reply<z.input<A>>

/** What came with a request, unparsed; `body` is undefined where there was none. */
export interface RawInput {
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
}

/** Input that is as it should be. */
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
  /** Either the request's meaning, or a line for each thing that is wrong with it. */
  readonly prepare: (raw: RawInput) => { readonly ok: Prepared } | { readonly wrong: readonly string[] }
}

/** One route of the API: what it is called, who may, what goes in and out, and what it does. */
export function defineRoute<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  A extends z.ZodType = z.ZodType,
>(spec: RouteSpec<P, Q, B, A>): Route {
  const { params, query, body, scope = scopeOf, units, handle, ...facts } = spec
  return {
    ...facts,
    params,
    query,
    body,
    prepare: (raw) => {
      const wrong: string[] = []
      const part = (name: string, schema: z.ZodType | undefined, value: unknown): unknown => {
        const parsed = schema?.safeParse(value)
        if (parsed?.success === false) wrong.push(...issueLines(name, parsed.error.issues, schema))
        return parsed?.data
      }
      // What the schemas P, Q and B answer is Parsed<P>, Parsed<Q> and Parsed<B>, which TypeScript can't follow.
      const input = {
        params: part('path', params, raw.params),
        query: part('query', query ?? noQuery, raw.query),
        body: part('body', body, raw.body),
      } as RouteInput<P, Q, B>
      if (wrong.length > 0) return { wrong }
      return {
        ok: {
          scope: scope(input),
          units: units?.(input) ?? 1,
          run: async (context) => await handle(context, input),
        },
      }
    },
  }
}

const noQuery = z.strictObject({})

/** What the path, the query or the body names. */
function scopeOf({ params, query, body }: RouteInput<unknown, unknown, unknown>): Scope {
  const named = (field: string): string | undefined =>
    [params, query, body].map((part) => textIn(part, field)).find((text) => text !== undefined)
  return { tenantId: named('tenant_id'), streamId: named('stream_id') }
}

function textIn(part: unknown, field: string): string | undefined {
  if (typeof part !== 'object' || part === null) return undefined
  const value: unknown = Reflect.get(part, field)
  return typeof value === 'string' ? value : undefined
}
