import { createLogger } from '../../common/logger.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { StartGate } from '../../common/supervision/start-gate.ts'
import { IngressSupervisor } from '../../sfu/ingress/ingress-supervisor.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { attachment } from './ingest-attachment.ts'
import { AES_BITS, BUFFER_MS, type IngestRoute, type IngestSide } from './ingest-side.ts'

/** Our ingress processes, supervised as in the hub; the sink takes the lane's place. */
export async function openOurs(routes: readonly IngestRoute[]): Promise<IngestSide> {
  await using opened = new AsyncDisposableStack()
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => {})
  const rtpPorts = await freeUdpPorts(routes.length)
  const logger = createLogger('fatal')
  const shared = { watch: opened.use(new ChildWatch()), gate: new StartGate() }
  const listening: Promise<void>[] = []
  const ingresses = routes.map(({ stream, videoPort }, index) => {
    const ready = Promise.withResolvers<void>()
    listening.push(ready.promise)
    const ingress: IngressSupervisor = new IngressSupervisor(
      {
        streamId: `bench-${index}`,
        input: () => ({
          address: '127.0.0.1',
          links: stream.ports.map((port) => ({ port })),
          passphrase: stream.passphrase,
          aes_bits: AES_BITS,
          authentication: 'srp',
          username: stream.username,
          password: stream.password,
          buffer: { start_ms: BUFFER_MS, min_ms: BUFFER_MS, max_ms: BUFFER_MS, rtt_multiple: 4 },
        }),
        rtpPort: rtpPorts[index]!,
        awaitsKnock: false,
      },
      {
        message(message) {
          if (message.type === 'ready') ready.resolve()
          else if (message.type === 'program') ingress.send(attachment(message.program, videoPort))
          else if (message.type === 'refused' || message.type === 'failed')
            broken.reject(new Error(`ingress ${index}: ${message.type}: ${message.message}`))
        },
        died: (how) => broken.reject(new Error(`ingress ${index} died: ${how}`)),
        retired: () => {},
        portsTaken: (why) => why !== null && broken.reject(new Error(`ingress ${index}: ${why}`)),
      },
      shared,
      logger,
    )
    return opened.use(ingress)
  })
  await Promise.race([Promise.all(listening), broken.promise])
  const pids = ingresses.flatMap(({ pid }) => pid ?? [])
  const kept = opened.move()
  return { pids, broken: broken.promise, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
