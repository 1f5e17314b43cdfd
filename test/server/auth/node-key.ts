import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'

export type KeyKind = 'P-256' | 'Ed25519' | 'P-384' | 'RSA'

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  Ed25519: { name: 'Ed25519' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const
const SIGNING = {
  'P-256': { name: 'ECDSA', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', hash: 'SHA-384' },
  Ed25519: { name: 'Ed25519' },
  RSA: { name: 'RSASSA-PKCS1-v1_5' },
} as const

/** A node's key and its certificate request, as the agent makes them. */
export async function nodeKey(
  kind: KeyKind = 'P-256',
  name = 'CN=whatever it likes',
): Promise<{ key: string; csr: string }> {
  const keys = await generate(kind)
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: SIGNING[kind],
  })
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
    csr: request.toString('pem'),
  }
}

async function generate(kind: KeyKind): Promise<CryptoKeyPair> {
  const keys = await crypto.subtle.generateKey(ALGORITHMS[kind], true, ['sign', 'verify'])
  if (!('privateKey' in keys)) throw new TypeError('not a key pair')
  return keys
}
