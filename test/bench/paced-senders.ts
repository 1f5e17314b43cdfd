import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { type SenderStart, type SenderStream, type Sent, sentSchema } from './paced-sender-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'paced-sender-main.ts')

/** Ports and fresh secrets for `count` senders of so many links each. */
export async function newSenderStreams(count: number, links: number): Promise<SenderStream[]> {
  const ports = await freeUdpPorts(count * links)
  return Array.from({ length: count }, (_, index) => ({
    ports: ports.slice(index * links, (index + 1) * links),
    passphrase: randomBytes(18).toString('base64url'),
    username: `sender-${index}`,
    password: randomBytes(18).toString('base64url'),
  }))
}

/** The process that plays field senders for receivers on their ports. */
export class PacedSenders implements AsyncDisposable {
  readonly #child: ChildProcess

  /** @param onSent gets each picture, once librist has all of it */
  constructor(start: SenderStart, onSent: (sent: Sent) => void = () => {}) {
    this.#child = fork(MAIN, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child.on('message', (raw) => onSent(sentSchema.parse(raw)))
    this.#child.send(start, () => {})
  }

  get pid(): number {
    return this.#child.pid!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    // Nothing in it is worth waiting for: librist's destroy waits for threads, and a hanging thread would hold us.
    this.#child.kill('SIGKILL')
    await gone
  }
}
