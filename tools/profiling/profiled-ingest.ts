import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { createLogger } from '../../common/logger.ts'
import { IngressSession } from '../../sfu/ingress/ingress-session.ts'
import { attachment } from '../../test/bench/ingest-attachment.ts'
import { newSenderStreams } from '../../test/bench/paced-senders.ts'
import { freeUdpPorts } from '../../test/support/udp-ports.ts'
import { BUFFER_MS, profileThisProcessOnly, secondsToWatch, startLoad } from './load.ts'

/** The work of an ingress process, inside the process that clinic runs. Its RTP goes to a socket that nobody reads. */
profileThisProcessOnly()
const [stream] = await newSenderStreams(1, 2)
const [rtpPort] = await freeUdpPorts(1)
const sink = createSocket('udp4').bind(0, '127.0.0.1')
await once(sink, 'listening')
{
  await using session = await IngressSession.open(
    {
      type: 'start',
      stream_id: 'profiled',
      log_level: 'error',
      input: {
        address: '127.0.0.1',
        links: stream!.ports.map((port) => ({ port })),
        passphrase: stream!.passphrase,
        aes_bits: 256,
        authentication: 'srp',
        username: stream!.username,
        password: stream!.password,
        buffer: { start_ms: BUFFER_MS, min_ms: BUFFER_MS, max_ms: BUFFER_MS, rtt_multiple: 4 },
      },
      rtp_port: rtpPort!,
    },
    (message) => {
      if (message.type === 'program') void session.attach(attachment(message.program, sink.address().port))
    },
    (error) => {
      throw error
    },
    createLogger('error'),
  )
  await using _load = await startLoad([stream!])
  await delay(secondsToWatch() * 1000)
}
sink.close()
