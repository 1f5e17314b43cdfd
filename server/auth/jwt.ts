import { createHash } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import {
  nodeIdSchema,
  principalIdSchema,
  principalRoleSchema,
  tenantIdSchema,
} from '../../common/wire/ids.ts'
import { refused } from './auth-errors.ts'
import { grantsSchema } from './principal.ts'
import type { SigningKeys } from './signing-keys.ts'

const ISSUER = 'lanecast'
/** RFC 8725 section 3.11: the type keeps other JWTs, which a key may sign one day, from being taken for tokens. */
const TYPE = 'lanecast+jwt'
const ALGORITHM = 'EdDSA'
const MAX_CACHED = 4096

/** The claims of a token. Times are Unix seconds, as in RFC 7519. */
const claimsSchema = z.object({
  iss: z.literal(ISSUER),
  sub: principalIdSchema,
  /** null: a token of the hub itself. */
  tenant: tenantIdSchema.nullable(),
  role: principalRoleSchema.exclude(['anonymous']),
  node: nodeIdSchema.nullable(),
  ...grantsSchema.shape,
  iat: z.number().int(),
  exp: z.number().int(),
  jti: z.string().min(1).max(64),
})
export type Claims = z.infer<typeof claimsSchema>

/** Signs and checks tokens: RFC 7519, EdDSA over Ed25519 (RFC 8037) and nothing else. */
export class Jwts {
  readonly #keys: SigningKeys
  readonly #now: () => number
  /** Tokens with a verified signature, by their SHA-256, oldest use first. */
  readonly #verified = new Map<string, { readonly kid: string; readonly claims: Claims }>()

  constructor(keys: SigningKeys, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  async sign(claims: Omit<Claims, 'iss'>): Promise<string> {
    const { kid, key } = this.#keys.current()
    return await new SignJWT({ ...claims, iss: ISSUER })
      .setProtectedHeader({ alg: ALGORITHM, kid, typ: TYPE })
      .sign(key)
  }

  /**
   * The claims of a token with a right signature that has not expired.
   * @throws CodedError `token_invalid`, `token_expired` (401)
   */
  async verify(token: string): Promise<Claims> {
    const digest = createHash('sha256').update(token).digest('base64')
    const { kid, claims } = this.#verified.get(digest) ?? (await this.#check(token))
    if (!this.#keys.accepts(kid)) throw refused('token_invalid')
    if (claims.exp * 1000 <= this.#now()) throw refused('token_expired')
    this.#verified.delete(digest)
    this.#verified.set(digest, { kid, claims })
    if (this.#verified.size > MAX_CACHED) this.#verified.delete(this.#verified.keys().next().value ?? '')
    return claims
  }

  async #check(token: string): Promise<{ kid: string; claims: Claims }> {
    let kid = ''
    try {
      const { payload } = await jwtVerify(
        token,
        async (header) => {
          kid = header.kid ?? ''
          const key = await this.#keys.verifying(kid)
          if (!key) throw refused('token_invalid')
          return key
        },
        {
          algorithms: [ALGORITHM],
          typ: TYPE,
          issuer: ISSUER,
          requiredClaims: ['exp', 'jti', 'sub'],
          currentDate: new Date(this.#now()),
        },
      )
      return { kid, claims: claimsSchema.parse(payload) }
    } catch (error) {
      // Claims are read only after the signature was checked: whoever reads "expired" had a token of this hub.
      throw refused(error instanceof errors.JWTExpired ? 'token_expired' : 'token_invalid')
    }
  }
}
