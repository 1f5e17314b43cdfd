/** Where the token is kept: in this tab, until it is closed. Never in an address, which ends up in logs. */
const KEY = 'lanecast.token'

/** What a token can look like (RFC 6750, section 2.1, `b68token`), within bounds. */
const PATTERN = /^[A-Za-z0-9._~+/-]{8,4096}=*$/

/** The token that people pasted; null without one. */
export function accessToken(): string | null {
  try {
    return sessionStorage.getItem(KEY)
  } catch {
    // Browsers that keep nothing for a page still show what is open to everybody.
    return null
  }
}

/** Keeps a token; false for a text that can't be one. Pasted `Bearer ` prefixes and blanks are taken off. */
export function keepAccessToken(text: string): boolean {
  const token = text.trim().replace(/^Bearer\s+/i, '')
  if (!PATTERN.test(token)) return false
  try {
    sessionStorage.setItem(KEY, token)
    return true
  } catch {
    return false
  }
}

export function forgetAccessToken(): void {
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // Nothing was kept.
  }
}
