import { createSecureContext, type SecureContext } from 'node:tls'

/** Ways to show a CA that a name is ours: RFC 8555 section 8.3, RFC 8737. */
export const CHALLENGE_TYPES = ['http-01', 'tls-alpn-01'] as const
export type ChallengeType = (typeof CHALLENGE_TYPES)[number]

/** RFC 8737 section 6.2. */
export const ACME_TLS_PROTOCOL = 'acme-tls/1'

/** More names than a certificate may have. */
const MOST = 200

/** Answers to challenges of a CA that are under way: the hub's listeners look here. Empty nearly all of the time. */
export class ChallengeAnswers {
  readonly #tokens = new Map<string, string>()
  readonly #contexts = new Map<string, SecureContext>()

  /** What stands at `/.well-known/acme-challenge/<token>` (RFC 8555 section 8.3). */
  keyAuthorization(token: string): string | undefined {
    return this.#tokens.get(token)
  }

  /** The certificate to show to a CA that asks for `acme-tls/1` at this name. */
  context(serverName: string): SecureContext | undefined {
    return this.#contexts.get(serverName.toLowerCase())
  }

  /** Answers until the returned value is disposed of. */
  answerHttp(token: string, keyAuthorization: string): Disposable {
    return put(this.#tokens, token, keyAuthorization)
  }

  /** @param pem the certificate of the challenge and its key */
  answerTls(name: string, pem: { readonly cert: string; readonly key: string }): Disposable {
    return put(this.#contexts, name.toLowerCase(), createSecureContext({ ...pem, minVersion: 'TLSv1.2' }))
  }
}

function put<T>(map: Map<string, T>, key: string, value: T): Disposable {
  if (map.size >= MOST) throw new RangeError(`more than ${MOST} challenges at once`)
  map.set(key, value)
  return {
    [Symbol.dispose]: () => {
      if (map.get(key) === value) map.delete(key)
    },
  }
}
