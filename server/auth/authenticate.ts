import type { IncomingMessage } from 'node:http'
import { refused } from './auth-errors.ts'
import type { NodeCertificates } from './node-certificates.ts'
import { type PresentedCertificate, presentedCertificate } from './presented-certificate.ts'
import { ANONYMOUS, type AuthenticatedPrincipal } from './principal.ts'
import type { Tokens } from './tokens.ts'

/** Longest token that is looked at, characters. Ours have some 500. */
const MAX_TOKEN_LENGTH = 8192
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

/** The proofs that a request brought. */
export interface Credentials {
  /** The `Authorization` header. */
  readonly authorization?: string | undefined
  readonly certificate?: PresentedCertificate | null | undefined
}

export function credentialsOf(request: Pick<IncomingMessage, 'headers' | 'socket'>): Credentials {
  return {
    authorization: request.headers.authorization,
    certificate: presentedCertificate(request.socket),
  }
}

/** Finds the principal of a request from its proofs. */
export class Authenticator {
  readonly #tokens: Tokens
  readonly #certificates: NodeCertificates

  constructor(tokens: Tokens, certificates: NodeCertificates) {
    this.#tokens = tokens
    this.#certificates = certificates
  }

  /**
   * The principal by the Authorization header if there is one, else by the certificate of the connection, else the
   * anonymous principal. A bad proof is refused, never ignored.
   * @throws CodedError 401: see auth-errors.ts
   */
  async authenticate({ authorization, certificate }: Credentials): Promise<AuthenticatedPrincipal> {
    if (authorization !== undefined) return await this.authenticateToken(bearerToken(authorization))
    if (certificate) return await this.#certificates.authenticate(certificate)
    return ANONYMOUS
  }

  /** A JWT or an API key that came outside of a header: browsers can't set headers on a WebSocket. */
  async authenticateToken(token: string): Promise<AuthenticatedPrincipal> {
    if (token.length > MAX_TOKEN_LENGTH) throw refused('token_invalid')
    return await this.#tokens.authenticate(token)
  }

  /**
   * Whether a principal's proof is still good. For what lives longer than a request: close connections whose principal
   * is no longer current.
   */
  isCurrent(principal: AuthenticatedPrincipal): boolean {
    const { credential, token_id } = principal
    if (credential === 'none' || token_id === null) return true
    return credential === 'certificate'
      ? this.#certificates.isCurrent(token_id)
      : this.#tokens.isCurrent(principal)
  }

  /** Whether a token or certificate was revoked. A proof that merely expired was not. */
  isRevoked({
    credential,
    token_id,
  }: Pick<AuthenticatedPrincipal, 'credential'> & { token_id: string }): boolean {
    return credential === 'certificate'
      ? this.#certificates.isRevoked(token_id)
      : this.#tokens.isRevoked(token_id)
  }

  /** Called when a token or certificate is new, changed or revoked. Call the returned function to stop. */
  onChange(listener: () => void): () => void {
    const ends = [this.#tokens.onChange(listener), this.#certificates.onChange(listener)]
    return () => {
      for (const end of ends) end()
    }
  }
}

function bearerToken(authorization: string): string {
  const token = authorization.length > MAX_TOKEN_LENGTH ? undefined : BEARER.exec(authorization)?.[1]
  if (token === undefined) throw refused('credentials_malformed')
  return token
}
