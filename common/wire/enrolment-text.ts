/*
 * What an operator hands to whoever sets up a field sender, as text or as a QR code: the hub's address, the token, and a
 * pin of the hub's CA, so that the machine recognises the hub before it trusts it.
 */

/** SHA-256 of the DER of a CA's certificate, base64url. */
const PIN = /^[A-Za-z0-9_-]{43}$/
const MAX_TOKEN_LENGTH = 200

export interface EnrolmentToken {
  readonly token: string
  /** null: the hub's certificate is of a public CA. */
  readonly pin: string | null
}

/**
 * `https://hub.example:9415 le_x_y.PIN`: the arguments of `lanecast-agent enrol`.
 * @param pin SHA-256 of the DER of the CA that signed the hub's certificate, base64url; null for a public CA
 */
export function enrolmentText(hubUrl: string, token: string, pin: string | null): string {
  return `${hubUrl} ${pin === null ? token : `${token}.${pin}`}`
}

/** @returns null for what is no token */
export function readEnrolmentToken(text: string): EnrolmentToken | null {
  const [token = '', pin = null, ...rest] = text.trim().split('.')
  if (token === '' || token.length > MAX_TOKEN_LENGTH || /\s/.test(token) || rest.length > 0) return null
  if (pin !== null && !PIN.test(pin)) return null
  return { token, pin }
}
