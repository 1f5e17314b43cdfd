import { BondedSender } from '../../agent/bonded-sender.ts'
import { play, readSlices } from './clip-player.ts'
import { type ClipSenderReport, clipSenderConfig } from './clip-sender-protocol.ts'

/** A field sender that plays a file once, with the file's own timestamps; a process of its own. */
const stopping = new AbortController()
process.on('disconnect', () => stopping.abort())
process.on('SIGTERM', () => stopping.abort())
process.once('message', (raw) => {
  run(raw).then(
    () => process.exit(0),
    (error) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})

async function run(raw: unknown): Promise<void> {
  const { path, fromMs, repeat, ports, hosts = [], ...secrets } = clipSenderConfig.parse(raw)
  const slices = await readSlices(path)
  const authenticated = Promise.withResolvers<void>()
  stopping.signal.addEventListener('abort', () => authenticated.resolve())
  await using sender = await BondedSender.open({
    ...secrets,
    aesBits: 256,
    links: ports.map((port, index) => ({
      host: hosts[index] ?? '127.0.0.1',
      port,
      cname: `uplink-${index}`,
    })),
    mode: 'duplicate',
    bufferMs: 200,
    onLog: ({ message }) => {
      if (message.includes('receiver name is now')) authenticated.resolve()
    },
  })
  await authenticated.promise
  tell({ type: 'sending' })
  const write = (ts: Buffer): void => sender.write(ts)
  do await play(slices, write, { signal: stopping.signal, fromMs })
  while (repeat && !stopping.signal.aborted)
  tell({ type: 'over' })
  if (!stopping.signal.aborted)
    await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
}

function tell(message: ClipSenderReport): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
