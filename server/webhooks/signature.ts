import { createHmac, timingSafeEqual } from 'node:crypto'

/** How old a delivery may be when it is checked, seconds: an older one that comes again is somebody's recording. */
const REPLAY_WINDOW_SECONDS = 300

/**
 * The value of the header `lanecast-signature`: `t=<Unix seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 of
 * `<t>.<body>` with the webhook's secret. While a secret is being replaced there is a v1 for each.
 */
export function signDelivery(secrets: readonly string[], body: string, nowMs: number): string {
  const t = Math.floor(nowMs / 1000)
  return [`t=${t}`, ...secrets.map((secret) => `v1=${hmac(secret, t, body).toString('hex')}`)].join(',')
}

/** What whoever receives deliveries should do; false for one that is not the hub's, or is too old. */
export function verifyDelivery(secret: string, header: string, body: string, nowMs: number): boolean {
  const parts = header.split(',').map((part) => part.trim().split('=', 2))
  const t = Number(parts.find(([name]) => name === 't')?.[1])
  if (!Number.isInteger(t) || Math.abs(nowMs / 1000 - t) > REPLAY_WINDOW_SECONDS) return false
  const wanted = hmac(secret, t, body)
  return parts.some(([name, value = '']) => {
    const given = Buffer.from(value, 'hex')
    return name === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted)
  })
}

function hmac(secret: string, t: number, body: string): Buffer {
  return createHmac('sha256', secret).update(`${t}.${body}`).digest()
}
