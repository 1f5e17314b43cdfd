import { type Integrity, integrityOf, longTermKey, proves } from '../common/stun/integrity.ts'
import type { StunMessage } from '../common/stun/stun-message.ts'
import { ATTRIBUTE, METHOD, PASSWORD_ALGORITHM } from '../common/stun/stun-types.ts'
import { parseTurnUsername, type TurnUser, turnCredential } from './credentials.ts'
import type { EndedContracts } from './ended-contracts.ts'
import type { Nonces } from './nonces.ts'

/** Who asks, proved by the credential that the hub minted. Answers are proved in the same way. */
export interface Proved {
  readonly username: string
  readonly user: TurnUser
  readonly key: Buffer
  readonly integrity: Integrity
}

/** Why a request is not let in. `anonymous` is no fault: each client's first request is. */
export type Stranger = 'anonymous' | 'malformed' | 'credentials' | 'expired' | 'ended' | 'stale_nonce'

/** What we offer in PASSWORD-ALGORITHMS, best first (RFC 8489, section 14.11): number and no parameters, each. */
export const OFFERED_ALGORITHMS = Buffer.of(
  0,
  PASSWORD_ALGORITHM.sha256,
  0,
  0,
  0,
  PASSWORD_ALGORITHM.md5,
  0,
  0,
)

export interface Authenticator {
  readonly realm: string
  readonly secret: string
  readonly nonces: Nonces
  readonly ended: EndedContracts
}

/**
 * The long-term mechanism of RFC 8489, section 9.2.4, with credentials that prove themselves: nobody keeps a table of
 * users.
 *
 * @param client IP address
 * @param holder user name of the client's allocation, whose requests go on after the credential's time: a browser cannot
 *   change the credential of a running allocation
 * @param nowS by a steady clock, and `wallS` since 1970
 */
export function authenticate(
  { realm, secret, nonces, ended }: Authenticator,
  message: StunMessage,
  client: string,
  holder: string | null,
  nowS: number,
  wallS: number,
): Proved | Stranger {
  const integrity = integrityOf(message)
  if (!integrity) return 'anonymous'
  const [username, itsRealm, nonce] = [
    message.text(ATTRIBUTE.username),
    message.text(ATTRIBUTE.realm),
    message.text(ATTRIBUTE.nonce),
  ]
  if (username === null || itsRealm === null || nonce === null) return 'malformed'
  // Before all that costs, or that the hub hears of: without a nonce of ours nobody has shown that the address is theirs.
  if (nonces.judge(nonce, client, nowS) !== 'good') return 'stale_nonce'
  const algorithm = chosenAlgorithm(message, nonces.offersAlgorithms(nonce))
  if (!algorithm) return 'malformed'
  const user = parseTurnUsername(username)
  if (!user || itsRealm !== realm) return 'credentials'
  const key = longTermKey(algorithm, username, realm, turnCredential(secret, username))
  if (!proves(message, integrity, key)) return 'credentials'
  if (ended.has(user.contractId)) return 'ended'
  const goesOn = message.method !== METHOD.allocate && username === holder
  if (user.expiresAtS <= wallS && !goesOn) return 'expired'
  return { username, user, key, integrity }
}

/**
 * The algorithm of the key. Where the nonce offered algorithms, the client either knows nothing of them, or repeats the
 * offer unchanged and picks one.
 * @returns null for anything else
 */
function chosenAlgorithm(message: StunMessage, offered: boolean): 'md5' | 'sha256' | null {
  const chosen = message.value(ATTRIBUTE.passwordAlgorithm)
  const repeated = message.value(ATTRIBUTE.passwordAlgorithms)
  if (!offered || (!chosen && !repeated)) return 'md5'
  if (!chosen || !repeated?.equals(OFFERED_ALGORITHMS) || chosen.length !== 4) return null
  if (chosen.readUInt16BE(2) !== 0) return null
  const number = chosen.readUInt16BE(0)
  return number === PASSWORD_ALGORITHM.sha256 ? 'sha256' : number === PASSWORD_ALGORITHM.md5 ? 'md5' : null
}
