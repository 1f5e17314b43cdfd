import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { z } from 'zod'
import { CodedError } from '../errors.ts'
import {
  type Release,
  type ReleaseKeys,
  releaseKeysSchema,
  releaseSchema,
  type Signature,
  type SignedRelease,
  type SignedReleaseKeys,
} from '../wire/release.ts'

/** Goes before what is signed, so that a signature of one thing is none of another. */
const DOMAINS = { release: 'lanecast release 1\n', keys: 'lanecast release keys 1\n' } as const
type Domain = keyof typeof DOMAINS

/** Keys that must sign: one a release, two a change of the keys. */
const NEEDED: Record<Domain, number> = { release: 1, keys: 2 }

/**
 * The release, if one of the keys signed it.
 * @throws CodedError `release_untrusted`, `release_invalid`
 */
export function trustedRelease(signed: SignedRelease, { keys }: ReleaseKeys): Release {
  requireSigned('release', signed.release, signed.signatures, keys)
  return read(releaseSchema, signed.release, 'release')
}

/**
 * The keys after `present`, if two of these signed them. Nobody skips a change: each has the number after the one before.
 * @param present null where there are none: the first keys are signed by two of themselves
 * @throws CodedError `release_untrusted`, `release_invalid`
 */
export function nextReleaseKeys(present: ReleaseKeys | null, signed: SignedReleaseKeys): ReleaseKeys {
  // The first keys vouch for themselves, so they are read first; else only what is signed is read.
  const first = present === null ? read(releaseKeysSchema, signed.keys, 'keys') : null
  requireSigned('keys', signed.keys, signed.signatures, (present ?? first)?.keys ?? [])
  const next = first ?? read(releaseKeysSchema, signed.keys, 'keys')
  const serial = (present?.serial ?? next.serial - 1) + 1
  if (next.serial !== serial)
    throw new CodedError('release_invalid', `the keys have serial ${next.serial}, and ${serial} comes next`)
  return next
}

/** Signs as `trustedRelease` and `nextReleaseKeys` check it. @param privateKey PEM, PKCS#8, Ed25519 */
export function signText(domain: Domain, text: string, privateKey: string): Signature {
  const key = createPrivateKey(privateKey)
  return {
    key_id: releaseKeyId(publicKeyText(key)),
    signature: sign(null, Buffer.from(DOMAINS[domain] + text), key).toString('base64url'),
  }
}

/** The public key as devices and hubs have it: 32 bytes, base64url. @param key Ed25519 @throws Error for another kind */
export function publicKeyText(key: KeyObject): string {
  const { crv, x } = createPublicKey(key.export({ type: 'pkcs8', format: 'pem' })).export({ format: 'jwk' })
  if (crv !== 'Ed25519' || x === undefined) throw new Error('the key is not of Ed25519')
  return x
}

/** The name of a key in signatures. @param key base64url */
export function releaseKeyId(key: string): string {
  return createHash('sha256').update(Buffer.from(key, 'base64url')).digest('hex').slice(0, 16)
}

function requireSigned(
  domain: Domain,
  text: string,
  signatures: readonly Signature[],
  keys: readonly string[],
): void {
  const data = Buffer.from(DOMAINS[domain] + text)
  const signers = keys.filter((x) => {
    const given = signatures.filter(({ key_id }) => key_id === releaseKeyId(x))
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return given.some(({ signature }) => verify(null, data, key, Buffer.from(signature, 'base64url')))
  })
  // One key may be written in several ways, and counts once.
  const count = new Set(signers.map(releaseKeyId)).size
  if (count < NEEDED[domain])
    throw new CodedError(
      'release_untrusted',
      `${count} of the ${NEEDED[domain]} needed signatures are by keys that are trusted here`,
      { details: [`trusted: ${keys.map(releaseKeyId).join(', ')}`] },
    )
}

function read<Schema extends z.ZodType>(schema: Schema, text: string, what: string): z.output<Schema> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new CodedError('release_invalid', `the signed ${what} are no JSON`)
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new CodedError('release_invalid', `the signed ${what} are not understood`, {
    details: parsed.error.issues.slice(0, 20).map(({ path, message }) => `${path.join('.')}: ${message}`),
  })
}
