import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Authorization, Client, Order } from 'acme-client'
import { z } from 'zod'
import { CodedError, messageOf } from '../../../common/errors.ts'
import { pause } from '../../../common/retry.ts'
import type { Identity } from '../server-identity.ts'
import type { AcmeWork } from './acme-library.ts'
import { withAcme } from './acme-library.ts'
import { problemSchema, sentence } from './acme-problem.ts'
import type { ChallengeAnswers, ChallengeType } from './challenge-answers.ts'

/** The CA looks at us within seconds, and tries several times where it sees nothing. */
const VALIDATION_MS = 120_000
/** Signing takes a CA a second or two. */
const ISSUE_MS = 60_000
const ASK_EVERY_MS = 1000

export interface OrderRequest {
  readonly directory: string
  readonly names: readonly string[]
  /** PEM of the account's key, and its URL at the CA. */
  readonly account: { readonly key: string; readonly url: string }
  readonly challenge: ChallengeType
  readonly answers: ChallengeAnswers
}

export interface IssuedIdentity extends Identity {
  /** Unix milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
}

const identifierSchema = z.object({ value: z.string().max(253) })
const challengeSchema = z.object({
  type: z.string().max(100),
  url: z.url().max(2000),
  status: z.string().max(100),
  // RFC 8555 section 8.3: base64url, which makes it safe in a path.
  token: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,200}$/)
    .optional(),
  error: problemSchema.nullish(),
})
/** RFC 8555 section 7.1.4. */
const authorizationSchema = z.object({
  url: z.url().max(2000),
  status: z.string().max(100),
  identifier: identifierSchema,
  challenges: z.array(challengeSchema).max(50),
})
/** RFC 8555 section 7.1.3. */
const orderSchema = z.object({
  url: z.url().max(2000),
  status: z.string().max(100),
  finalize: z.url().max(2000),
  certificate: z.url().max(2000).optional(),
  error: problemSchema.nullish(),
})

/**
 * Orders one certificate for all names, answers the challenges by one way, and fetches the certificate (RFC 8555 section
 * 7.4). Nothing is tried twice here.
 * @throws CodedError `acme_unreachable`, `acme_rate_limited`, `acme_refused`, `acme_account_unknown`,
 * `acme_challenge_failed`, or the signal's reason
 */
export async function orderCertificate(request: OrderRequest, about: AcmeWork): Promise<IssuedIdentity> {
  return await withAcme(about, async (acme) => {
    const { directory, names, account } = request
    const client = new acme.Client({
      directoryUrl: directory,
      accountKey: account.key,
      accountUrl: account.url,
    })
    const order = await client.createOrder({
      identifiers: names.map((value) => ({ type: 'dns', value })),
    })
    await prove(client, order, request, about.signal)
    const key = await acme.crypto.createPrivateEcdsaKey()
    const [, csr] = await acme.crypto.createCsr({ altNames: [...names] }, key)
    const ready = await settled(client, order, 'ready', about.signal)
    await client.finalizeOrder({ ...order, ...ready } as Order, csr)
    const valid = await settled(client, order, 'valid', about.signal)
    const chain = await client.getCertificate({ ...order, ...valid } as Order)
    return checked(chain, key.toString(), names)
  })
}

/** Shows the CA that the names are ours. */
async function prove(
  client: Client,
  order: Order,
  request: OrderRequest,
  signal: AbortSignal,
): Promise<void> {
  const { challenge: type, answers } = request
  using shown = new DisposableStack()
  const pending: z.infer<typeof challengeSchema>[] = []
  for (const authorization of await authorizations(client, order)) {
    if (authorization.status === 'valid') continue
    const { value: name } = authorization.identifier
    const challenge = authorization.challenges.find((offered) => offered.type === type)
    if (challenge?.token === undefined)
      throw new CodedError(
        'acme_challenge_failed',
        `the CA offers no ${type} for ${name}, only ${authorization.challenges.map((each) => each.type).join(', ') || 'nothing'}`,
      )
    const text = await client.getChallengeKeyAuthorization(challenge as never)
    shown.use(
      type === 'http-01'
        ? answers.answerHttp(challenge.token, text)
        : answers.answerTls(name, await challengeCertificate(authorization, text)),
    )
    pending.push(challenge)
  }
  for (const challenge of pending) await client.completeChallenge(challenge as never)
  const end = performance.now() + VALIDATION_MS
  while (pending.length > 0) {
    await pause(ASK_EVERY_MS, signal)
    const now = await authorizations(client, order)
    const failed = now.find(({ status }) => !['pending', 'processing', 'valid'].includes(status))
    if (failed) throw notProved(failed, type)
    if (now.every(({ status }) => status === 'valid')) return
    if (performance.now() > end)
      throw new CodedError(
        'acme_challenge_failed',
        `the CA came to no result by ${type} in ${VALIDATION_MS / 1000} s`,
      )
  }
}

async function authorizations(client: Client, order: Order) {
  const all = z
    .array(authorizationSchema)
    .max(200)
    .safeParse(await client.getAuthorizations(order))
  if (all.success) return all.data
  throw notUnderstood('authorizations', all.error)
}

function notProved(
  { identifier, challenges, status }: z.infer<typeof authorizationSchema>,
  type: ChallengeType,
): CodedError {
  const error = challenges.find((challenge) => challenge.type === type)?.error
  const why = error ? sentence(0, error) : `the authorization is ${status}`
  return new CodedError(
    'acme_challenge_failed',
    `the CA did not find ${identifier.value} to be this hub, by ${type}: ${why}`,
    { details: [WHAT_TO_DO[type].replaceAll('NAME', identifier.value)] },
  )
}

const WHAT_TO_DO: Record<ChallengeType, string> = {
  'http-01': 'NAME must lead to this machine, and its port 80 to TLS_ACME_HTTP (tls.acme_http)',
  'tls-alpn-01':
    'NAME must lead to this machine, and its port 443 to OVERLAY_BIND (hub.bind) without a TLS proxy between',
}

/** A certificate that nobody but the CA sees (RFC 8737 section 3), with a key of its own. */
async function challengeCertificate(authorization: { identifier: { value: string } }, text: string) {
  const acme = await import('acme-client')
  const fresh = await acme.crypto.createPrivateEcdsaKey()
  const [key, cert] = await acme.crypto.createAlpnCertificate(authorization as Authorization, text, fresh)
  return { key: key.toString(), cert: cert.toString() }
}

/** Waits until the order has this status. */
async function settled(client: Client, order: Order, wanted: 'ready' | 'valid', signal: AbortSignal) {
  for (const end = performance.now() + ISSUE_MS; ; await pause(ASK_EVERY_MS, signal)) {
    const parsed = orderSchema.safeParse(await client.getOrder(order))
    if (!parsed.success) throw notUnderstood('order', parsed.error)
    const { status, error } = parsed.data
    if (status === wanted || status === 'valid') return parsed.data
    if (status === 'invalid')
      throw new CodedError(
        'acme_refused',
        `the CA gave the order up: ${error ? sentence(0, error) : 'it does not say why'}`,
      )
    if (performance.now() > end)
      throw new CodedError('acme_unreachable', `the order is still ${status} after ${ISSUE_MS / 1000} s`)
  }
}

/** Takes nothing from the CA that the hub could not serve. */
function checked(chain: unknown, key: string, names: readonly string[]): IssuedIdentity {
  try {
    const certificate = z.string().max(100_000).parse(chain)
    createSecureContext({ cert: certificate, key })
    const leaf = new X509Certificate(certificate)
    const missing = names.filter((name) => leaf.checkHost(name) === undefined)
    if (missing.length > 0) throw new Error(`it is not for ${missing.join(', ')}`)
    const [notBefore, notAfter] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]
    if (!(notBefore < notAfter)) throw new Error(`it is valid from ${leaf.validFrom} to ${leaf.validTo}`)
    return { certificate, key, notBefore, notAfter }
  } catch (error) {
    throw new CodedError(
      'acme_refused',
      `the certificate that the CA issued can't be used: ${messageOf(error)}`,
    )
  }
}

function notUnderstood(what: string, error: z.ZodError): CodedError {
  const [issue] = error.issues
  return new CodedError(
    'acme_refused',
    `the CA's answer about ${what} is not as RFC 8555 has it: ${issue?.path.join('.')} ${issue?.message}`,
  )
}
