import { setTimeout as delay } from 'node:timers/promises'
import { BondedSender } from '../../agent/sender/bonded-sender.ts'
import { type PacedUnit, readClip } from './paced-clip.ts'
import {
  machineMs,
  type SenderStart,
  type SenderStream,
  type Sent,
  senderStartSchema,
} from './paced-sender-protocol.ts'

/** The benchmark's field senders, in a process of their own: bonded RIST, each unit at its decoding time. */
const AES_BITS = 256
/** How long to wait for a receiver that is not there yet, ms; the other senders then go on. */
const AUTHENTICATED_WITHIN_MS = 3_000
const stopping = new AbortController()
const end = (): void => stopping.abort()
process.on('disconnect', end)
process.on('SIGTERM', end)
process.once('message', (raw) => {
  sendAll(senderStartSchema.parse(raw)).catch((error: unknown) => {
    if (stopping.signal.aborted) return
    throw error
  })
})

async function sendAll(start: SenderStart): Promise<void> {
  await using senders = new AsyncDisposableStack()
  const units = await readClip(start.clip)
  const opened: BondedSender[] = []
  for (const stream of start.streams) opened.push(senders.use(await openSender(start, stream)))
  const pace = async (sender: BondedSender, index: number): Promise<void> => {
    // Streams are spread over the time of a frame, like independent encoders.
    await delay((index * 1000) / 30 / start.streams.length, undefined, { signal: stopping.signal })
    do await sendClip(units, sender, index)
    while (start.repeat)
  }
  await Promise.all(opened.map(pace))
}

/**
 * Resolves when the sender's first link has authenticated. librist 0.2.7 sets up mbedTLS once for a whole process,
 * without a guard, so of two first senders at once one may hang for good.
 */
async function openSender({ mode, bufferMs }: SenderStart, stream: SenderStream): Promise<BondedSender> {
  const { ports, passphrase, username, password } = stream
  const links = ports.map((port) => ({ host: '127.0.0.1', port }))
  const authenticated = Promise.withResolvers<void>()
  const onLog = ({ message }: { message: string }) =>
    message.includes('receiver name is now') && authenticated.resolve()
  const bond = { links, mode, bufferMs, passphrase, username, password, aesBits: AES_BITS, onLog } as const
  const sender = await BondedSender.open(bond)
  await Promise.race([authenticated.promise, delay(AUTHENTICATED_WITHIN_MS)])
  return sender
}

async function sendClip(units: readonly PacedUnit[], sender: BondedSender, stream: number): Promise<void> {
  const startedAt = machineMs()
  for (const { ts, atMs, key } of units) {
    const early = startedAt + atMs - machineMs()
    if (early > 0.5) await delay(early, undefined, { signal: stopping.signal })
    sender.write(ts)
    if (key) process.send?.({ stream, key, at: machineMs() } satisfies Sent, undefined, undefined, () => {})
  }
}
