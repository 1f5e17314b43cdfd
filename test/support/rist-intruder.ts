import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BondedSender, type BondedSenderOptions } from '../../agent/sender/bonded-sender.ts'
import { play, readSlices } from './clip-player.ts'
import type { OpenStream } from './hub.ts'

/** Senders that mean no good, or that don't know better. Each goes on until it is disposed. */

const FLOOD = fileURLToPath(new URL('./udp-flood.ts', import.meta.url))

/** What an intruder does to the transport stream before it goes out; gets a copy. */
export type Spoil = (ts: Buffer) => Buffer

/** One of our own senders, with some of the stream's secrets wrong, or all right and its TS spoilt. */
export async function intrude(
  { ports, passphrase, username, password }: OpenStream,
  path: string,
  wrong: Partial<BondedSenderOptions> = {},
  spoil: Spoil = (ts) => ts,
): Promise<AsyncDisposable> {
  const slices = await readSlices(path)
  const stop = new AbortController()
  const sender = await BondedSender.open({
    links: ports.map((port) => ({ host: '127.0.0.1', port })),
    mode: 'duplicate',
    bufferMs: 200,
    aesBits: 256,
    passphrase,
    username,
    password,
    ...wrong,
  })
  const playing = play(slices, (ts) => sender.write(spoil(Buffer.from(ts))), { signal: stop.signal })
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await playing
      await sender[Symbol.asyncDispose]()
    },
  }
}

/** Flips a bit in about one of `everyBytes` bytes. */
export function flipBits(everyBytes: number, seed: number): Spoil {
  const random = randomNumbers(seed)
  return (ts) => {
    for (let at = random() % everyBytes; at < ts.length; at += 1 + (random() % (2 * everyBytes))) {
      ts[at]! ^= 1 << (random() % 8)
    }
    return ts
  }
}

/** Cuts the end off one of three chunks, anywhere. */
export function truncate(seed: number): Spoil {
  const random = randomNumbers(seed)
  return (ts) => (random() % 3 === 0 ? ts.subarray(0, random() % ts.length) : ts)
}

/** Sends packets of random bytes, 1 to 1400 long, a hundred every 50 ms. */
export function sendGarbage(port: number): AsyncDisposable {
  const socket = createSocket('udp4')
  const timer = setInterval(() => {
    for (let count = 0; count < 100; count++) {
      socket.send(randomBytes(1 + ((count * 37) % 1400)), port, '127.0.0.1')
    }
  }, 50)
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      socket.close()
      await once(socket, 'close')
    },
  }
}

/** Floods a port from a process of its own, as fast as it goes. @returns packets sent */
export async function flood(port: number, forMs: number): Promise<number> {
  const child = fork(FLOOD, [String(port), String(forMs)], { execArgv: [], stdio: 'inherit' })
  const exited = once(child, 'exit')
  const [sent] = await once(child, 'message')
  await exited
  return Number(sent)
}

/** xorshift32: the same seed spoils the same bytes. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
}
