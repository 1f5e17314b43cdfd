import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import {
  type FieldSenderCommand,
  type FieldSenderConfig,
  type FieldSenderReport,
  fieldSenderReport,
} from '../../tools/demo/field-sender-config.ts'
import type { OpenStream } from './hub.ts'
import { type Enter, nodeIn } from './namespaces.ts'

const PROGRAM = fileURLToPath(new URL('../../tools/demo/field-sender.ts', import.meta.url))

/** A running simulated field sender. */
export interface FieldSender extends AsyncDisposable {
  readonly pid: number
  /** The last statistics of each link, by index. */
  readonly links: readonly Extract<FieldSenderReport, { type: 'stats' }>[]
  /** The encoder in use; undefined until it works. */
  readonly encoder: 'gstreamer' | 'ffmpeg' | undefined
  /** What anybody watches, as the hub told the sender, oldest first. */
  readonly demands: readonly Extract<FieldSenderReport, { type: 'demand' }>[]
  /** The sender's reports about its contracts, oldest first. */
  readonly contracts: readonly FieldSenderReport[]
  /** The ways of its links, oldest first. */
  readonly ways: readonly Extract<FieldSenderReport, { type: 'ways' }>[]
  /** Exit code, or null where a signal ended it. */
  readonly exited: Promise<number | null>
  setWeight(link: number, weight: number): void
  /** SIGKILL. Its encoder ends by itself. */
  kill(): Promise<void>
  /** SIGTERM, and waits. */
  stop(): Promise<void>
}

/**
 * Starts a field sender process and resolves when its first bytes go out over an authenticated link.
 * @param options network namespace of the process, and its further environment
 */
export async function startFieldSender(
  config: FieldSenderConfig,
  { enter, env }: { readonly enter?: Enter; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<FieldSender> {
  const child = fork(PROGRAM, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    env: { ...process.env, ...env },
    ...nodeIn(enter),
  })
  const links: Extract<FieldSenderReport, { type: 'stats' }>[] = []
  const contracts: FieldSenderReport[] = []
  let encoder: FieldSender['encoder']
  const demands: Extract<FieldSenderReport, { type: 'demand' }>[] = []
  const ways: Extract<FieldSenderReport, { type: 'ways' }>[] = []
  const exited = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null))
  const sending = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      const parsed = fieldSenderReport.safeParse(message)
      if (!parsed.success) return
      if (parsed.data.type === 'sending') resolve()
      else if (parsed.data.type === 'encoder') encoder = parsed.data.encoder
      else if (parsed.data.type === 'demand') demands.push(parsed.data)
      else if (parsed.data.type === 'ways') ways.push(parsed.data)
      else if (parsed.data.type === 'stats') links[parsed.data.link] = parsed.data
      else contracts.push(parsed.data)
    })
  })
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await exited
  }
  child.send({ logLevel: 'error', ...config } satisfies FieldSenderConfig)
  const outcome = await Promise.race([sending, exited])
  if (typeof outcome === 'number' || outcome === null) throw new Error(`field sender ended with ${outcome}`)
  return {
    pid: child.pid!,
    links,
    contracts,
    ways,
    get encoder() {
      return encoder
    },
    demands,
    exited,
    setWeight: (link, weight) => {
      child.send({ type: 'weight', link, weight } satisfies FieldSenderCommand)
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  }
}

/** Starts a field sender for a stream of a test hub, with every packet on both links. */
export function sendCard(stream: OpenStream): Promise<FieldSender> {
  return startFieldSender({
    links: stream.ports.map((port) => ({ host: '127.0.0.1', port })),
    bufferMs: 60,
    passphrase: stream.passphrase,
    username: stream.username,
    password: stream.password,
    card: { name: stream.streamId },
  })
}
