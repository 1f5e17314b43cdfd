import type { Request, RequestHandler, Response } from 'express'
import type { ErrorCode } from '../../common/error-codes.ts'
import { CodedError } from '../../common/errors.ts'
import { isRefusal, type RefusalCode, refused } from '../auth/auth-errors.ts'
import { credentialsOf } from '../auth/authenticate.ts'
import { ANONYMOUS, type AuthenticatedPrincipal, limitKeyOf } from '../auth/principal.ts'
import type { RateAnswer } from '../auth/rate-limits.ts'
import type { ApiParts } from './api-parts.ts'
import { checkedAnswer } from './checked-answer.ts'
import { sendError } from './error-answer.ts'
import { requestIdOf, send, sendJson } from './json-answer.ts'
import { refusal, refuseBeforeBody, refuseByAcl, unauthenticated, whoActs } from './judge-request.ts'
import { readIfMatch } from './preconditions.ts'
import { readQuery, typedText } from './query.ts'
import { badRequest } from './refusals.ts'
import { type BodyRules, bodyTypeOf, MAX_BODY_BYTES, readBody, refuseBody } from './request-body.ts'
import {
  type Prepared,
  type PreparedHead,
  type RawHead,
  Reply,
  type Route,
  type RouteContext,
} from './route.ts'

const TIMEOUT_MS = 10_000

/**
 * Answers the requests of one route. The order makes sure that a caller learns and costs no more than the caller may:
 * proof (401), limit (429), tenant (404) and ACL (403) by path and query, the body (415, 413, 400), tenant and ACL
 * again by what the body names, and only then the route's own work.
 */
export function serveRoute(route: Route, parts: ApiParts): RequestHandler {
  return async (request, response) => {
    const startedAt = performance.now()
    const requestId = requestIdOf(request)
    // The caller's address, from a trusted proxy where there is one, else from the socket.
    const address = request.ip ?? request.socket.remoteAddress ?? ''
    const limit = timeLimit(response, route.timeoutMs ?? TIMEOUT_MS)
    let answered: { status: number; code: ErrorCode | null; failed: boolean }
    answered = { status: route.answer.status, code: null, failed: false }
    try {
      const answer = await limit.race(answerTo(route, parts, request, { requestId, address, limit }))
      if (!response.destroyed) sendAnswer(response, route, answer, requestId)
    } catch (thrown) {
      if (!response.headersSent && !response.destroyed)
        answered = sendError(response, await counted(thrown, parts, address), requestId, parts.onFailure)
    } finally {
      limit.clear()
      parts.onAnswered?.({ route, requestId, ...answered, ms: performance.now() - startedAt })
    }
  }
}

/** Counts a bad proof. If it is one too many, answers that instead. */
async function counted(thrown: unknown, { limits }: ApiParts, address: string): Promise<unknown> {
  if (!isRefusal(thrown)) return thrown
  try {
    refuseAbove(await limits.failedAuthentication(address))
    return thrown
  } catch (tooMany) {
    return tooMany
  }
}

async function answerTo(
  route: Route,
  parts: ApiParts,
  request: Request,
  { requestId, address, limit }: Pick<RouteContext, 'requestId' | 'address'> & { limit: TimeLimit },
): Promise<unknown> {
  const { signal } = limit
  const principal = await whoAsks(route, parts, request, address)
  if (route.holds) letGo(parts, principal, limit)
  const head = route.prepareHead(readHead(route, request))
  refuseBeforeBody(route, parts, principal, head)
  if ('wrong' in head) throw malformed(head.wrong)
  const ifMatch = readPrecondition(route, request)
  const parseYaml = (text: string) =>
    parts.yaml.parse(text, {
      caller: limitKeyOf(principal) ?? address,
      tenantId: principal.tenant_id,
      signal,
    })
  const prepared = await readInput(route, head.ok, request, { parseYaml, signal })
  if (prepared.units > 1)
    refuseAbove(await parts.limits.take(limitKeyOf(principal), address, route.cost, prepared.units - 1))
  const acts = whoActs(principal, prepared.scope)
  refuseByAcl(route, parts, acts, prepared.scope)
  const origin = `${request.protocol}://${request.headers.host ?? 'localhost'}`
  const context: RouteContext = {
    principal: acts.asking,
    tenantId: acts.tenantId,
    tenantFilter: acts.tenantFilter,
    address,
    requestId,
    origin,
    fromPage: request.headers.origin !== undefined,
    ifMatch,
    signal,
  }
  signal.throwIfAborted()
  const answer = await prepared.run(context)
  return parts.validateAnswers === true ? checkedAnswer(route, answer) : answer
}

async function whoAsks(
  { cost, action, role, anonymous, identifies = false }: Route,
  { authenticator, limits }: ApiParts,
  request: Request,
  address: string,
): Promise<AuthenticatedPrincipal> {
  const open = action === null && role === undefined && !identifies
  const principal = open ? ANONYMOUS : await authenticator.authenticate(credentialsOf(request))
  refuseAbove(await limits.take(limitKeyOf(principal), address, cost))
  if (principal.role === 'anonymous' && !open && anonymous !== true && !identifies) throw unauthenticated()
  if (role === 'admin' && !(principal.role === 'admin' && principal.tenant_id === null))
    throw refusal(principal, 'hub admin', "only the hub's admin may do this")
  if (role === 'node' && principal.credential !== 'certificate')
    throw refusal(principal, 'node certificate', 'only a node with its certificate may do this')
  return principal
}

/** Ends the wait for news when no news can come any more. */
function letGo(parts: ApiParts, principal: AuthenticatedPrincipal, limit: TimeLimit): void {
  limit.defer(whileCurrent(parts, principal, (code) => limit.end(refused(code))))
  const { closing } = parts
  const stop = () =>
    limit.end(new CodedError('draining', 'the hub is stopping: ask again', { resource: 'hub' }))
  closing?.addEventListener('abort', stop)
  limit.defer(() => closing?.removeEventListener('abort', stop))
}

/** Calls `gone` when a proof is no longer good. Call the returned function to stop watching. */
function whileCurrent(
  { authenticator }: ApiParts,
  principal: AuthenticatedPrincipal,
  gone: (code: RefusalCode) => void,
): () => void {
  const look = () => {
    if (authenticator.isCurrent?.(principal) === false)
      gone(principal.credential === 'certificate' ? 'certificate_revoked' : 'token_revoked')
  }
  return authenticator.onChange?.(look) ?? (() => {})
}

function readHead(route: Route, request: Request): RawHead {
  return {
    params: typedText(route.params, request.params),
    query: typedText(route.query, readQuery(request.url)),
  }
}

function readPrecondition({ ifMatch }: Route, request: Request): RouteContext['ifMatch'] {
  const tags = ifMatch === undefined ? null : readIfMatch(request.headers['if-match'])
  if (ifMatch !== 'required' || tags !== null) return tags
  throw new CodedError('precondition_required', 'the request needs If-Match', {
    details: ['header If-Match: must be the ETag of the version that is to be replaced'],
  })
}

async function readInput(
  route: Route,
  head: PreparedHead,
  request: Request,
  { parseYaml, signal }: Pick<BodyRules, 'parseYaml'> & { readonly signal: AbortSignal },
): Promise<Prepared> {
  let body: unknown
  if (route.body) {
    const types = route.bodyTypes ?? ['application/json']
    const maxBytes = route.maxBodyBytes ?? MAX_BODY_BYTES
    body = await readBody(request, bodyTypeOf(request, types), { maxBytes, parseYaml }, signal)
  } else await refuseBody(request, signal)
  const outcome = head.prepare(body)
  if ('wrong' in outcome) throw malformed(outcome.wrong)
  return outcome.ok
}

function malformed(wrong: readonly string[]): CodedError {
  return badRequest('the request is not as it should be', wrong)
}

function refuseAbove(answer: RateAnswer): void {
  if (!answer.ok)
    throw new CodedError('too_many_requests', 'too many requests', {
      retryAfterSeconds: answer.retry_after_s,
      details: [`room again in ${answer.retry_after_s} s`],
    })
}

function sendAnswer(response: Response, route: Route, answer: unknown, requestId: string): void {
  const { type } = route.answer
  const status = (answer instanceof Reply ? answer.status : undefined) ?? route.answer.status
  const [body, headers] = answer instanceof Reply ? [answer.body, answer.headers] : [answer, {}]
  if (status === 204) send(response, status, undefined, requestId, headers)
  else if (type === undefined) sendJson(response, status, body, requestId, headers)
  else if (typeof body === 'string' || body instanceof Uint8Array)
    send(response, status, body, requestId, { 'content-type': type, ...headers })
  else throw new TypeError(`${route.method} ${route.path} answered neither text nor bytes`)
}

interface TimeLimit {
  readonly signal: AbortSignal
  /** The result of `work`, or the refusal as soon as its time is over. */
  readonly race: <T>(work: Promise<T>) => Promise<T>
  /** Ends the work with this error, as if its time were over. */
  readonly end: (error: Error) => void
  /** Called when the request is answered. */
  readonly defer: (clean: () => void) => void
  readonly clear: () => void
}

function timeLimit(response: Response, ms: number): TimeLimit {
  const controller = new AbortController()
  const { signal } = controller
  const timer = setTimeout(() => {
    controller.abort(
      new CodedError('timeout', `the hub did not come to an answer within ${ms} ms`, {
        resource: 'time',
        details: ['the outcome is unknown: read before trying again'],
      }),
    )
  }, ms)
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort(badRequest('the client is gone'))
  }
  response.once('close', onClose)
  const deferred: (() => void)[] = []
  return {
    signal,
    end: (error) => controller.abort(error),
    defer: (clean) => deferred.push(clean),
    race: (work) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        work.then(resolve, reject)
      }),
    clear: () => {
      clearTimeout(timer)
      for (const clean of deferred) clean()
      response.off('close', onClose)
    },
  }
}
