import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Mirror, type Planned, writePlanned } from '../store/mirror.ts'
import type { Sealer } from '../store/sealing.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { AuthContext } from './auth-context.ts'
import { randomId } from './bearer-secret.ts'

const KIND = 'signing-key'
/** Another hub may sign with the old key until it hears of the new key, ms. */
const HEARSAY_MS = 60_000

const signingKeySchema = z.strictObject({
  /** The public key, RFC 8037: 32 bytes in base64url. */
  x: z.string(),
  /** The private key as a sealed JWK; null for a key that only verifies. */
  sealed: z.string().nullable(),
  created_at: z.number().int(),
  /** Until when the key verifies, Unix milliseconds; null while it signs. */
  verify_until: z.number().int().nullable(),
})
type SigningKey = z.infer<typeof signingKeySchema>

const privateJwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
})

/**
 * The Ed25519 keys for the hub's tokens. The newest key signs. A replaced key verifies until the last token that it
 * signed has expired.
 */
export class SigningKeys implements AsyncDisposable {
  readonly #context: AuthContext
  readonly #documents: Mirror<SigningKey>
  readonly #opened = new Map<string, { x: string; verifies: KeyObject; signs?: KeyObject }>()

  private constructor(context: AuthContext, documents: Mirror<SigningKey>) {
    this.#context = context
    this.#documents = documents
  }

  /** Makes the first key if there is none. @throws CodedError see Sealer.open */
  static async open(context: AuthContext): Promise<SigningKeys> {
    const documents = await Mirror.open({ ...context, kind: KIND, schema: signingKeySchema })
    const keys = new SigningKeys(context, documents)
    if (keys.#newest() === undefined) await documents.put(HUB_TENANT_ID, ...keys.#generate())
    await keys.#sealAnew()
    keys.current()
    return keys
  }

  /** The key that signs now. */
  current(): { readonly kid: string; readonly key: KeyObject } {
    const kid = this.#newest()
    if (kid === undefined)
      throw new CodedError('signing_key_missing', 'there is no key to sign tokens with', {
        details: ['restart the hub: it makes one'],
      })
    return { kid, key: this.#signingKey(kid) }
  }

  /** The public key for `kid`, or undefined when the key is unknown or no longer verifies. */
  async verifying(kid: string): Promise<KeyObject | undefined> {
    await this.#documents.find(kid)
    return this.accepts(kid) ? this.#open(kid)?.verifies : undefined
  }

  accepts(kid: string): boolean {
    const until = this.#documents.get(kid)?.value.verify_until
    return until !== undefined && (until === null || until > this.#context.now())
  }

  /** The public keys as a JWK set (RFC 7517), for other programs that check the hub's tokens. */
  jwks(): { readonly keys: readonly Record<string, string>[] } {
    const accepted = [...this.#documents.values()].filter(({ id }) => this.accepts(id))
    return {
      keys: accepted.map(({ id, value: { x } }) => ({
        kty: 'OKP',
        crv: 'Ed25519',
        x,
        kid: id,
        alg: 'EdDSA',
        use: 'sig',
      })),
    }
  }

  /**
   * Signs with a new key from now on. Older keys verify for another `maxTokenMs`. With `compromised` they don't: every
   * token that they signed is invalid at once. Returns the new key's id.
   */
  async rotate(maxTokenMs: number, compromised: boolean, audit: readonly AuditDraft[] = []): Promise<string> {
    const now = this.#context.now()
    const [kid, key] = this.#generate()
    const others = [...this.#documents.values()].map(({ id, version, value }): Planned => {
      if (compromised) return this.#documents.planDelete(HUB_TENANT_ID, id, version)
      const verify_until = value.verify_until ?? now + maxTokenMs + HEARSAY_MS
      return this.#documents.planPut(HUB_TENANT_ID, id, { ...value, sealed: null, verify_until }, version)
    })
    const plans = [this.#documents.planPut(HUB_TENANT_ID, kid, key, 0), ...others]
    await writePlanned(this.#context.store, plans, [], audit)
    return kid
  }

  /** Forgets keys that no longer verify. */
  async prune(): Promise<void> {
    for (const { id, version } of [...this.#documents.values()])
      if (!this.accepts(id))
        await this.#documents.delete(HUB_TENANT_ID, id, { expected_version: version }).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#documents[Symbol.asyncDispose]()
  }

  #newest(): string | undefined {
    const signing = [...this.#documents.values()].filter(({ value }) => value.verify_until === null)
    return signing.sort((a, b) => b.value.created_at - a.value.created_at || (a.id < b.id ? -1 : 1))[0]?.id
  }

  #generate(): [kid: string, key: SigningKey] {
    const kid = randomId()
    const jwk = privateJwk.parse(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))
    const sealed = this.#context.sealer.seal(JSON.stringify(jwk), place(kid))
    return [kid, { x: jwk.x, sealed, created_at: this.#context.now(), verify_until: null }]
  }

  #signingKey(kid: string): KeyObject {
    const opened = this.#open(kid)
    const sealed = this.#documents.get(kid)?.value.sealed
    if (!opened || typeof sealed !== 'string') throw new TypeError(`"${kid}" is not a key that signs`)
    opened.signs ??= createPrivateKey({ key: openSealed(this.#context.sealer, sealed, kid), format: 'jwk' })
    return opened.signs
  }

  #open(kid: string) {
    const x = this.#documents.get(kid)?.value.x
    if (x === undefined) return undefined
    const present = this.#opened.get(kid)
    if (present?.x === x) return present
    const key = { kty: 'OKP', crv: 'Ed25519', x }
    const opened: { x: string; verifies: KeyObject; signs?: KeyObject } = {
      x,
      verifies: createPublicKey({ key, format: 'jwk' }),
    }
    this.#opened.set(kid, opened)
    return opened
  }

  /** Seals with the newest master key, so that older keys can be taken out of the ring. */
  async #sealAnew(): Promise<void> {
    const { sealer } = this.#context
    for (const { id, version, value } of [...this.#documents.values()]) {
      if (value.sealed === null || !sealer.isStale(value.sealed)) continue
      const jwk = openSealed(sealer, value.sealed, id)
      const sealed = sealer.seal(JSON.stringify(jwk), place(id))
      await this.#documents.put(HUB_TENANT_ID, id, { ...value, sealed }, { expected_version: version })
    }
  }
}

function openSealed(sealer: Sealer, sealed: string, kid: string) {
  return privateJwk.parse(JSON.parse(sealer.open(sealed, place(kid))))
}

function place(kid: string) {
  return { kind: KIND, tenant_id: HUB_TENANT_ID, id: kid, field: 'private_key' }
}
