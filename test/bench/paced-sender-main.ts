import { setTimeout as delay } from 'node:timers/promises'
import { BondedSender } from '../../agent/bonded-sender.ts'
import { type PacedUnit, readClip } from './paced-clip.ts'
import { machineMs, type SenderStart, type Sent, senderStartSchema } from './paced-sender-protocol.ts'

/** The benchmark's field senders, in a process of their own: bonded RIST, each unit at its decoding time. */
const AES_BITS = 256
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
  const pace = async (index: number): Promise<void> => {
    const { ports, passphrase, username, password } = start.streams[index]!
    const { mode, bufferMs } = start
    const links = ports.map((port) => ({ host: '127.0.0.1', port }))
    const bond = { links, mode, bufferMs, passphrase, username, password, aesBits: AES_BITS } as const
    const sender = senders.use(await BondedSender.open(bond))
    // Streams are spread over a frame's time, as independent encoders are.
    await delay((index * 1000) / 30 / start.streams.length, undefined, { signal: stopping.signal })
    do await sendClip(units, sender, index)
    while (start.repeat)
  }
  await Promise.all(start.streams.map((_, index) => pace(index)))
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
