import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import type { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import {
  nodeCertificateGrantSchema,
  nodeInitAnswerSchema,
  type nodeInitSchema,
} from '../../common/wire/enrolment.ts'
import { refusalOf } from './hub-client.ts'
import { HubClock } from './hub-clock.ts'
import { askHub } from './hub-request.ts'
import type { BearingIdentity, CertifiedIdentity } from './node-identity.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Longest wait for an answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000
const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const

/** What this agent speaks. */
const CAPABILITIES: z.input<typeof nodeInitSchema>['capabilities'] = {
  transports: [{ transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 }],
}

export interface EnrolOptions {
  /** `https:`, because from then on the node proves its identity by TLS. */
  readonly hubUrl: string
  /** The token that works once. This call uses it up, whatever the answer. */
  readonly token: string
  /** PEM of the hub's CAs, which came with the token. Needed where the system does not trust the hub's certificate. */
  readonly authorities?: readonly string[]
  readonly role?: z.input<typeof nodeInitSchema>['role']
  /** Transports, links, segments: see the wire schema. By default the node speaks RIST. */
  readonly capabilities?: z.input<typeof nodeInitSchema>['capabilities']
}

/**
 * Makes this machine a node of the hub: a new key, which never leaves the machine, and a certificate for the key.
 * @throws CodedError `hub_without_tls`, HubRefusal
 */
export async function enrol(options: EnrolOptions, signal: AbortSignal): Promise<CertifiedIdentity> {
  if (new URL(options.hubUrl).protocol !== 'https:')
    throw new CodedError('hub_without_tls', 'a node proves itself by TLS: enrol at an https address')
  return await init(options, signal)
}

/**
 * Makes this machine a node of a hub on the same machine, which speaks plain HTTP: the node proves itself by a bearer
 * token of the role `node`, and its certificate is for nothing.
 * @param bearerOf asks for the token, once the node is known
 * @throws HubRefusal
 */
export async function enrolBearing(
  options: EnrolOptions,
  bearerOf: (nodeId: string) => Promise<string>,
  signal: AbortSignal,
): Promise<BearingIdentity> {
  const { hub_url, node_id, authorities, overlay_addresses } = await init(options, signal)
  return { hub_url, node_id, authorities, overlay_addresses, token: await bearerOf(node_id) }
}

async function init(options: EnrolOptions, signal: AbortSignal): Promise<CertifiedIdentity> {
  const { hubUrl, token, authorities = [], role = 'sender', capabilities = CAPABILITIES } = options
  const { key, csr } = await newKey()
  const body = { role, capabilities, enrollment_token: token, csr }
  const clock = new HubClock()
  const asked = { hubUrl, tls: { authorities }, clock, signal }
  const answer = await post(asked, '/v1/node/init', nodeInitAnswerSchema, body)
  const { node_id, overlay_addresses, release_keys } = answer
  return { hub_url: hubUrl, node_id, overlay_addresses, release_keys, ...identityOf(key, answer, clock) }
}

/**
 * A new key and certificate for a node that proves itself with its present certificate. The present one stays valid
 * until it expires.
 * @throws HubRefusal
 */
export async function renewIdentity(
  identity: CertifiedIdentity,
  clock: HubClock,
  signal: AbortSignal,
): Promise<CertifiedIdentity> {
  const { hub_url, node_id, overlay_addresses, release_keys } = identity
  const { key, csr } = await newKey()
  const asked = { hubUrl: hub_url, tls: identity, clock, signal }
  const answer = await post(asked, '/v1/node/renew', nodeCertificateGrantSchema, { csr })
  return { hub_url, node_id, overlay_addresses, release_keys, ...identityOf(key, answer, clock) }
}

function identityOf(
  key: string,
  { certificate, authorities, not_after }: z.infer<typeof nodeCertificateGrantSchema>,
  clock: HubClock,
) {
  return { key, certificate, authorities, issued_at: Math.round(clock.hubNow()), not_after }
}

async function newKey(): Promise<{ key: string; csr: string }> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  // The hub chooses the name.
  const name = 'CN=node'
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: SIGNING })
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const lines = der.match(/.{1,64}/g) ?? []
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`,
    csr: request.toString('pem'),
  }
}

interface Asked {
  readonly hubUrl: string
  readonly tls: TlsIdentity
  readonly clock: HubClock
  readonly signal: AbortSignal
}

async function post<Schema extends z.ZodType>(
  { hubUrl, tls, clock, signal }: Asked,
  path: string,
  schema: Schema,
  body: object,
): Promise<z.infer<Schema>> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
  const answer = await askHub(new URL(path, hubUrl), { method: 'POST', body, tls, clock, signal: limit })
  if (answer.status !== 201) throw refusalOf(answer)
  return schema.parse(answer.json)
}
