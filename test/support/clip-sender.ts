import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type ClipSenderConfig, clipSenderReport } from './clip-sender-protocol.ts'
import type { OpenStream } from './hub.ts'
import { type Enter, nodeIn } from './namespaces.ts'

const PROGRAM = fileURLToPath(new URL('./clip-sender-main.ts', import.meta.url))

/** A field sender process that plays a file, which takes a fraction of a live encoder's CPU. */
export interface ClipSender extends AsyncDisposable {
  readonly pid: number
  /** The clip has ended; the sender stays connected. */
  readonly over: Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
}

type Destination = Pick<OpenStream, 'ports' | 'passphrase' | 'username' | 'password'>

export interface SentClip
  extends Pick<ClipSenderConfig, 'path' | 'fromMs' | 'repeat' | 'hosts' | 'stamped' | 'bufferMs'> {
  /** Other streams that get the very same bytes. */
  readonly copies?: readonly Destination[]
}

/**
 * Starts a sender with the stream's secrets. Resolves when it has authenticated and begins to play.
 * @param enter the network namespace of the sender, which is its hub's unless the clip names hosts
 */
export async function startClipSender(
  stream: Destination,
  { copies = [], ...clip }: SentClip,
  enter?: Enter,
): Promise<ClipSender> {
  const child = fork(PROGRAM, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    ...nodeIn(enter),
  })
  const exited = once(child, 'exit')
  const sending = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  child.on('message', (raw) => {
    const { type } = clipSenderReport.parse(raw)
    if (type === 'sending') sending.resolve()
    else over.resolve()
  })
  const config = { ...clip, ...secretsOf(stream), copies: copies.map(secretsOf) }
  child.send(config satisfies ClipSenderConfig)
  await Promise.race([
    sending.promise,
    exited.then(([code, signal]) => {
      throw new Error(`the clip sender ended with ${code ?? signal}`)
    }),
  ])
  exited.catch(() => {})
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await exited
  }
  return {
    pid: child.pid!,
    over: over.promise,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  }
}

const secretsOf = ({ ports, passphrase, username, password }: Destination) => ({
  ports: [...ports],
  passphrase,
  username,
  password,
})
