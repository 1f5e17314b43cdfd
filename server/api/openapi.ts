import { z } from 'zod'
import { type ErrorCode, statusOf } from '../../common/error-codes.ts'
import { errorAnswerSchema } from './error-answer.ts'
import type { HeaderSpec, Route } from './route.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

export interface OpenApiParameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string
  readonly schema: JsonSchema
}

export interface OpenApiContent {
  readonly [type: string]: { readonly schema: JsonSchema }
}

export interface OpenApiHeader {
  readonly description: string
  readonly required?: boolean
  readonly schema: JsonSchema
}

export interface OpenApiResponse {
  readonly description: string
  readonly headers?: Readonly<Record<string, OpenApiHeader>>
  readonly content?: OpenApiContent
}

export interface OpenApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: readonly string[]
  readonly parameters: readonly OpenApiParameter[]
  readonly requestBody?: { readonly required: true; readonly content: OpenApiContent }
  readonly responses: Readonly<Record<string, OpenApiResponse>>
  /** Empty where no token is needed. */
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  /** What the ACL is asked; absent where it is not. At the doors of WHIP and WHEP a ticket opens as well. */
  readonly 'x-lanecast-action'?: string
  readonly 'x-lanecast-role'?: string
  /** The ACL is asked about each item of the list, not about the list. */
  readonly 'x-lanecast-lists'?: true
}

/** OpenAPI 3.1.1, as far as we use it. */
export interface OpenApiDocument {
  readonly openapi: '3.1.1'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly securitySchemes: Readonly<Record<string, unknown>>
  }
}

const PROBLEM = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } as const

/** What each status means wherever it is given. */
const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is not as it should be; `details` has a line for each thing.',
  401: 'There is no token, or it is not good.',
  403: 'Denied; `rule` names the rule that denied.',
  404: "There is no such thing, or it is another tenant's.",
  406: 'Nothing of what there is can be received; `details` says what there is.',
  409: 'It does not fit what is there.',
  410: 'It ended meanwhile.',
  412: 'Somebody changed it meanwhile: read it again.',
  413: 'The body is too long.',
  415: 'The body is of a type that is not taken.',
  422: 'There is more of it than is taken.',
  428: 'The request needs `If-Match`.',
  429: 'Too many requests; `Retry-After` says when to come again, in seconds.',
  503: 'Something is full or away; `resource` says what, `Retry-After` when to come again, in seconds.',
}

/** The description of an API, made from the very routes that serve it. */
export function openApiDocument(
  routes: readonly Route[],
  info: { readonly title: string; readonly version: string },
): OpenApiDocument {
  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) }
  return {
    openapi: '3.1.1',
    info: {
      ...info,
      description:
        'JSON in snake_case; times in Unix milliseconds, bitrates in kb/s. Every error is `{error:{code,message,details[]}}`, and unknown fields are refused.',
    },
    tags: [...new Set(routes.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: jsonSchema(errorAnswerSchema, 'output') },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A JWT or an API key that the hub gave out.',
        },
        certificate: { type: 'mutualTLS', description: "A node's certificate." },
      },
    },
  }
}

function operationOf(route: Route): OpenApiOperation {
  const { method, path, summary, description, role, body, answer } = route
  const asked = route.action ?? route.admits
  return {
    operationId: operationId(method, path),
    summary,
    description,
    tags: [tagOf(route)],
    parameters: [
      ...parametersOf('path', route.params),
      ...parametersOf('query', route.query),
      ...(route.ifMatch === undefined ? [] : [ifMatchParameter(route.ifMatch === 'required')]),
    ],
    ...(body === undefined ? {} : { requestBody: requestBody(route, body) }),
    responses: {
      [answer.status]: answerResponse(route),
      ...(answer.orNothing === undefined
        ? {}
        : { 204: { description: answer.orNothing, headers: headersOf(route) } }),
      ...Object.fromEntries(
        [...errorsOf(route)].map(([status, codes]) => [status, errorResponse(route, status, codes)]),
      ),
    },
    security: securityOf(route),
    ...(asked === undefined ? {} : { 'x-lanecast-action': asked }),
    ...(role === undefined ? {} : { 'x-lanecast-role': role }),
    ...(route.lists === true ? { 'x-lanecast-lists': true as const } : {}),
  }
}

/** An empty entry stands for no proof at all. */
function securityOf({ action, role, anonymous, identifies }: Route): OpenApiOperation['security'] {
  if (action === null && role === undefined && identifies !== true) return []
  if (role === 'node') return [{ certificate: [] }]
  return [...(anonymous === true || identifies === true ? [{}] : []), { bearer: [] }, { certificate: [] }]
}

/** `/v1/node/init` and `post` make `post_node_init`. */
function operationId(method: string, path: string): string {
  return [method, ...(path.match(/\w+/g) ?? [])].filter((word) => word !== 'v1').join('_')
}

function tagOf({ path }: Route): string {
  const [, first = '', second] = path.split('/')
  if (second === undefined) return 'hub'
  return first === 'v1' ? second : first
}

function parametersOf(where: 'path' | 'query', schema: z.ZodObject | undefined): OpenApiParameter[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input')
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = typeof property === 'boolean' ? {} : property
    return {
      name,
      in: where,
      required: where === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function ifMatchParameter(required: boolean): OpenApiParameter {
  return {
    name: 'If-Match',
    in: 'header',
    required,
    description: 'The `ETag` of the version that is to be replaced.',
    schema: { type: 'string', examples: ['"3"'] },
  }
}

function requestBody(route: Route, body: z.ZodType): NonNullable<OpenApiOperation['requestBody']> {
  const schema = jsonSchema(body, 'input')
  const types = route.bodyTypes ?? ['application/json']
  return { required: true, content: Object.fromEntries(types.map((type) => [type, { schema }])) }
}

function answerResponse(route: Route): OpenApiResponse {
  const { status, schema, type } = route.answer
  const headers = headersOf(route)
  const told = Object.keys(headers).length === 0 ? {} : { headers }
  const description = { 200: 'Done.', 201: 'Made.', 202: 'Taken; it is worked in soon.', 204: 'Done.' }[
    status
  ]
  if (status === 204) return { description, ...told }
  if (type !== undefined) return { description, ...told, content: { [type]: { schema: {} } } }
  return {
    description,
    ...told,
    content: { 'application/json': { schema: schema === undefined ? {} : jsonSchema(schema, 'output') } },
  }
}

/** Headers of a route's answers; its errors have those for any origin alone. */
function headersOf(route: Route): Readonly<Record<string, OpenApiHeader>> {
  const own = Object.entries(route.answer.headers ?? {}).map(
    ([name, spec]) => [name, headerOf(spec)] as const,
  )
  return { ...Object.fromEntries(own), ...originHeaders(route) }
}

function headerOf({ description, example, optional = false }: HeaderSpec): OpenApiHeader {
  return { description, required: !optional, schema: { type: 'string', examples: [example] } }
}

function originHeaders({ anyOrigin = false }: Route): Readonly<Record<string, OpenApiHeader>> {
  if (!anyOrigin) return {}
  const origin = { description: 'Pages of any origin may ask.', required: true, schema: { const: '*' } }
  return { 'Access-Control-Allow-Origin': origin }
}

/** The codes of every error that a route may give, by status: the frame's and its own. */
export function errorsOf(route: Route): Map<number, readonly string[]> {
  const { action, role, identifies = false, body, params, query, ifMatch, errors = [] } = route
  const known = action !== null || role !== undefined
  const codes = new Set<ErrorCode>([
    'bad_request',
    ...(known ? (['unauthenticated', 'denied'] as const) : []),
    ...(known || identifies
      ? (['credentials_malformed', 'token_invalid', 'token_expired', 'token_revoked'] as const)
      : []),
    ...((action !== null || identifies) && (params ?? query ?? body) !== undefined
      ? (['tenant_not_found'] as const)
      : []),
    ...(body === undefined ? [] : (['body_too_large', 'unsupported_media_type'] as const)),
    ...(ifMatch === 'required' ? (['precondition_required'] as const) : []),
    ...(['too_many_requests', 'timeout', 'store_unavailable', 'store_saturated'] as const),
    ...errors,
  ])
  return new Map([...Map.groupBy(codes, statusOf)].sort(([a], [b]) => a - b))
}

function errorResponse(route: Route, status: number, codes: readonly string[]): OpenApiResponse {
  const retry = { description: 'Seconds until there is room again.', schema: { type: 'integer' as const } }
  const challenge = {
    description: 'RFC 6750 section 3.',
    required: true,
    schema: { type: 'string' as const, examples: ['Bearer realm="lanecast", error="invalid_token"'] },
  }
  const headers = {
    ...(status === 401 ? { 'WWW-Authenticate': challenge } : {}),
    ...(status === 429 || status === 503 ? { 'Retry-After': retry } : {}),
    ...originHeaders(route),
  }
  return {
    description: `${MEANINGS[status] ?? 'An error.'} Codes: ${codes.map((code) => `\`${code}\``).join(', ')}.`,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    content: PROBLEM,
  }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' })
  return rest
}
