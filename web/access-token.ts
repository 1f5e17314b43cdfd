/** The token's place: this tab, until it is closed. Never an address, because addresses end up in logs. */
const KEY = 'lanecast.token'

/** The form of a token (RFC 6750, section 2.1, `b68token`), within bounds. */
const PATTERN = /^[A-Za-z0-9._~+/-]{8,4096}=*$/

/** The token that somebody pasted; null without one. */
export function accessToken(): string | null {
  try {
    return sessionStorage.getItem(KEY)
  } catch {
    // Browsers that store nothing for a page still show what is open to everybody.
    return null
  }
}

/** Keeps a token. Returns false for a text that can't be a token. Removes pasted `Bearer ` prefixes and blanks. */
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
