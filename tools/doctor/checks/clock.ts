import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { messageOf } from '../../../common/errors.ts'
import { type Check, fault, fine, unknown, warning } from '../check.ts'

const WAIT_MS = 4000
/** A Date header has whole seconds. */
const WARN_MS = 2000
/** Certificates, tokens and reports of nodes are judged by the clock: so much is too much (docs/limits.md). */
const FAULT_MS = 30_000
/** Seconds from 1900 to 1970 (RFC 5905). */
const NTP_EPOCH_S = 2_208_988_800

/** How far this machine's clock is from another's. */
export const clock: Check = {
  name: 'clock',
  async run({ config, timeServer }) {
    const server = timeServer ?? config.tlsAcmeDirectory
    let aheadMs: number
    try {
      aheadMs = server.startsWith('sntp:') ? await bySntp(new URL(server)) : await byDate(new URL(server))
    } catch (error) {
      return [
        unknown(
          server,
          `nobody could be asked for the time: ${messageOf(error)}`,
          'name a server that can be reached by --time https://… or --time sntp://host',
        ),
      ]
    }
    const seconds = (Math.abs(aheadMs) / 1000).toFixed(1)
    const off = `the machine's clock is ${seconds} s ${aheadMs > 0 ? 'ahead' : 'behind'}`
    const change = 'let the system keep the time: timedatectl set-ntp true, or install chrony'
    if (Math.abs(aheadMs) > FAULT_MS) return [fault(server, off, change)]
    if (Math.abs(aheadMs) > WARN_MS) return [warning(server, off, change)]
    return [fine(server, `the machine's clock is right, to ${seconds} s`)]
  },
}

/** RFC 9110 section 6.6.1. The server's second has begun half a second ago on average. */
async function byDate(url: URL): Promise<number> {
  const sentAt = Date.now()
  const outgoing = httpsRequest(url, {
    ...{ method: 'HEAD', agent: false, signal: AbortSignal.timeout(WAIT_MS) },
    // Only the time is taken from it, and with a wrong clock no certificate is valid.
    rejectUnauthorized: false,
  })
  outgoing.end()
  const [response] = await once(outgoing, 'response')
  response.resume()
  const date = Date.parse(response.headers.date ?? '')
  if (Number.isNaN(date)) throw new Error('the answer has no date')
  return (sentAt + Date.now()) / 2 - (date + 500)
}

/** RFC 4330 section 5: one question of an SNTP client. */
async function bySntp(url: URL): Promise<number> {
  const socket = createSocket(url.hostname.startsWith('[') ? 'udp6' : 'udp4')
  try {
    const signal = AbortSignal.timeout(WAIT_MS)
    socket.connect(Number(url.port || 123), url.hostname.replace(/^\[(.*)\]$/, '$1'))
    await once(socket, 'connect', { signal })
    const question = Buffer.alloc(48)
    question[0] = (4 << 3) | 3
    // What the client says comes back, and shows that the answer is to this question.
    const sentAt = Date.now()
    writeNtp(question, 40, sentAt)
    socket.send(question)
    for (;;) {
      const [answer] = (await once(socket, 'message', { signal })) as [Buffer]
      const now = Date.now()
      const fits = answer.length >= 48 && (answer[0]! & 7) === 4 && answer[1] !== 0
      if (!fits || !answer.subarray(24, 32).equals(question.subarray(40, 48))) continue
      const [receivedAt, answeredAt] = [readNtp(answer, 32), readNtp(answer, 40)]
      return -((receivedAt - sentAt + (answeredAt - now)) / 2)
    }
  } finally {
    socket.close()
  }
}

function writeNtp(bytes: Buffer, at: number, ms: number): void {
  bytes.writeUInt32BE(Math.floor(ms / 1000) + NTP_EPOCH_S, at)
  bytes.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4)
}

function readNtp(bytes: Buffer, at: number): number {
  return (bytes.readUInt32BE(at) - NTP_EPOCH_S + bytes.readUInt32BE(at + 4) / 2 ** 32) * 1000
}
