import { randomInt } from 'node:crypto'
import { createLogger } from '../../common/logger.ts'
import type { Attach, Program } from '../../common/wire/ingress-ipc.ts'
import { IngressSupervisor } from '../../sfu/ingress/ingress-supervisor.ts'
import { freeUdpPorts } from '../support/hub.ts'
import {
  AES_BITS,
  AUDIO_PAYLOAD_TYPE,
  BUFFER_MS,
  type IngestRoute,
  type IngestSide,
  VIDEO_PAYLOAD_TYPE,
} from './ingest-side.ts'

/** Our ingress processes, supervised as in the hub; the sink takes the lane's place. */
export async function openOurs(routes: readonly IngestRoute[]): Promise<IngestSide> {
  await using opened = new AsyncDisposableStack()
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => {})
  const rtpPorts = await freeUdpPorts(routes.length)
  const logger = createLogger('fatal')
  const listening: Promise<void>[] = []
  const ingresses = routes.map(({ stream, videoPort }, index) => {
    const ready = Promise.withResolvers<void>()
    listening.push(ready.promise)
    const ingress: IngressSupervisor = new IngressSupervisor(
      {
        streamId: `bench-${index}`,
        input: {
          address: '127.0.0.1',
          links: stream.ports.map((port) => ({ port })),
          passphrase: stream.passphrase,
          aes_bits: AES_BITS,
          authentication: 'srp',
          username: stream.username,
          password: stream.password,
          buffer: { min_ms: BUFFER_MS, max_ms: BUFFER_MS },
        },
        rtpPort: rtpPorts[index]!,
        logLevel: 'fatal',
      },
      {
        message(message) {
          if (message.type === 'ready') ready.resolve()
          else if (message.type === 'program') ingress.send(attachment(message.program, videoPort))
          else if (message.type === 'refused' || message.type === 'failed')
            broken.reject(new Error(`ingress ${index}: ${message.type}: ${message.message}`))
        },
        died: (how) => broken.reject(new Error(`ingress ${index} died: ${how}`)),
      },
      logger,
    )
    return opened.use(ingress)
  })
  await Promise.race([Promise.all(listening), broken.promise])
  const pids = ingresses.flatMap(({ pid }) => pid ?? [])
  const kept = opened.move()
  return { pids, broken: broken.promise, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

function attachment(program: Program, port: number): Attach {
  const track = (payload_type: number) => ({
    ssrc: randomInt(1, 2 ** 32),
    payload_type,
    sequence: randomInt(2 ** 16),
  })
  return {
    type: 'attach',
    target: { ip: '127.0.0.1', port },
    video: program.video.map(() => track(VIDEO_PAYLOAD_TYPE)),
    audio: program.audio && track(AUDIO_PAYLOAD_TYPE),
    cname: 'bench',
    extension_ids: { playout_delay: 6, abs_capture_time: 13 },
    playout_delay_ms: { min: 0, max: 0 },
    clock: { epochMs: Date.now(), offset90k: randomInt(2 ** 31), last90k: 0 },
  }
}
