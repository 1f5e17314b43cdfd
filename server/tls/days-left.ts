import { X509Certificate } from 'node:crypto'
import type { Identity } from './server-identity.ts'

/** Days until a certificate expires, one decimal place; negative after that. */
export function daysLeft({ certificate }: Pick<Identity, 'certificate'>, now = Date.now()): number {
  const until = Date.parse(new X509Certificate(certificate).validTo)
  return Math.round((until - now) / 8_640_000) / 10
}
