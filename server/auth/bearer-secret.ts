import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const ID = 'abcdefghijklmnopqrstuvwxyz234567'
const ID_LENGTH = 16
const SECRET_BYTES = 32
const FORM = /^([a-z]{2,8})_([a-z2-7]{16})_([A-Za-z0-9_-]{43})$/

/**
 * A token made of an id and a secret: `<prefix>_<16 characters>_<256 random bits in base64url>`. The prefix tells
 * people and secret scanners what they found.
 */
export interface BearerSecret {
  readonly id: string
  readonly secret: string
}

/** 80 random bits in lower case: fit for a document id, a URL path and a file name. */
export function randomId(): string {
  return Array.from(randomBytes(ID_LENGTH), (byte) => ID[byte % ID.length]).join('')
}

export function newBearerSecret(): BearerSecret {
  return { id: randomId(), secret: randomBytes(SECRET_BYTES).toString('base64url') }
}

export function bearerText(prefix: string, { id, secret }: BearerSecret): string {
  return `${prefix}_${id}_${secret}`
}

/** Undefined when `text` has another form or another prefix. */
export function parseBearer(prefix: string, text: string): BearerSecret | undefined {
  const [, found, id, secret] = FORM.exec(text) ?? []
  return found === prefix && id !== undefined && secret !== undefined ? { id, secret } : undefined
}

/**
 * What the store keeps of a secret: its SHA-256 in base64url. A slow, salted hash protects secrets that people choose
 * against guessing. 256 random bits can't be guessed, and a fast hash makes it cheap to check every request.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

/** Compares in constant time, also without a `hash` (false): timing does not show whether an id exists. */
export function secretMatches(secret: string, hash: string | null | undefined): boolean {
  const given = createHash('sha256').update(secret).digest()
  const kept = Buffer.from(hash ?? '', 'base64url')
  const comparable = kept.length === given.length
  return timingSafeEqual(given, comparable ? kept : given) && comparable
}
