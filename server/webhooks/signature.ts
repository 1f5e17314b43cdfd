import { createHmac } from 'node:crypto'

/** A delivery, as far as its signature covers it. */
export interface SignedDelivery {
  readonly id: string
  /** Unix seconds. */
  readonly timestamp: number
  readonly body: string
}

/**
 * The value of the header `webhook-signature` (Standard Webhooks 1.0.0): `v1,<base64>` for each secret with spaces between,
 * each of which is the HMAC-SHA256 of `<id>.<timestamp>.<body>`. A secret is `whsec_` and the key in base64.
 */
export function signDelivery(secrets: readonly string[], { id, timestamp, body }: SignedDelivery): string {
  const signed = `${id}.${timestamp}.${body}`
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
  return keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`).join(' ')
}
