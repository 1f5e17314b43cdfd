import { BondedSender } from '../../agent/sender/bonded-sender.ts'
import { TsStamper } from '../../agent/ts-stamper.ts'
import { play, readSlices } from './clip-player.ts'
import { type ClipSenderReport, clipSenderConfig } from './clip-sender-protocol.ts'

/** A field sender that plays a file once, with the file's own timestamps; a process of its own. */
const TICKS_PER_MS = 90
const PTS_WRAP = 2 ** 33
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
  const { path, fromMs, repeat, copies, stamped, bufferMs, ...first } = clipSenderConfig.parse(raw)
  const slices = await readSlices(path)
  await using stack = new AsyncDisposableStack()
  const senders = await Promise.all(
    [first, ...copies].map(async ({ ports, hosts = [], ...secrets }) => {
      const authenticated = Promise.withResolvers<void>()
      stopping.signal.addEventListener('abort', () => authenticated.resolve())
      const sender = stack.use(
        await BondedSender.open({
          ...secrets,
          aesBits: 256,
          links: ports.map((port, index) => ({
            host: hosts[index] ?? '127.0.0.1',
            port,
            cname: `uplink-${index}`,
          })),
          mode: 'duplicate',
          bufferMs,
          onLog: ({ message }) => {
            if (message.includes('receiver name is now')) authenticated.resolve()
          },
        }),
      )
      await authenticated.promise
      return sender
    }),
  )
  tell({ type: 'sending' })
  const send = (ts: Buffer): void => {
    for (const sender of senders) sender.write(ts)
  }
  do await play(slices, stamped ? stampedBy(send) : send, { signal: stopping.signal, fromMs })
  while (repeat && !stopping.signal.aborted)
  tell({ type: 'over' })
  if (!stopping.signal.aborted)
    await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
}

/** The first picture was captured just now, the others as much later as their PTS say. */
function stampedBy(send: (ts: Buffer) => void): (ts: Buffer) => void {
  let start: { readonly unixMs: number; readonly pts: number } | undefined
  const stamper = new TsStamper({
    captureUnixMs: (pts) => {
      start ??= { unixMs: Date.now(), pts }
      return start.unixMs + ((pts - start.pts + PTS_WRAP) % PTS_WRAP) / TICKS_PER_MS
    },
    onPackets: send,
  })
  return (ts) => stamper.push(ts)
}

function tell(message: ClipSenderReport): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
