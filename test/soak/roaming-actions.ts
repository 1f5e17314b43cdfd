import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { DetourMessageWriter, detourAnswerSchema } from '../../common/wire/detour-frames.ts'
import { until } from '../support/until.ts'
import { askToPublish, WeriftPublisher } from '../support/werift-publisher.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'
import { type Action, oneOf, someMs } from './action.ts'

const PACKETS_WITHIN_MS = 10_000
const MAX_DATAGRAM = 1400

/** Networks that change: ICE restarts, viewings and publications that another WebSocket takes over, and detours. */
export const ROAMING_ACTIONS: readonly Action[] = [
  {
    name: 'watch, and resume on another WebSocket',
    weight: 2,
    async run({ rig, random, signal }) {
      const options = { tenantId: 'default' }
      await using viewer = await WeriftViewer.open(rig.hub.url, oneOf(random, ['cam-1', 'card']), options)
      const track = await viewer.track('video', PACKETS_WITHIN_MS)
      for (let times = 1 + random.below(3); times > 0; times -= 1) {
        if (random.below(2) === 0) await viewer.resume('network')
        else await viewer.restartIce('silence')
        const from = track.packets.length
        // A worker that was killed meanwhile makes the viewer join anew.
        await until(
          () => track.packets.length > from || track.closed,
          'packets on the new path',
          PACKETS_WITHIN_MS,
        )
        await delay(someMs(random, 0, 1500), undefined, { signal }).catch(() => {})
      }
    },
  },
  {
    name: 'publish, and go on over another WebSocket',
    weight: 1,
    async run({ rig, random, signal, lane }) {
      const contract = await askToPublish(rig.hub.url, rig.publisherToken, `roams-${lane}`)
      await using publisher = new WeriftPublisher(rig.hub.url, contract)
      const publisher_id = randomUUID()
      const { transport } = await publisher.publish({ publisher_id })
      if (!transport) return
      await publisher.connect(transport)
      const ssrc = 1 + random.below(1_000_000)
      await publisher.produceAudio(transport.id, ssrc)
      publisher.send(ssrc, 'soak')
      await delay(someMs(random, 200, 1500), undefined, { signal }).catch(() => {})
      const { transport: kept } = await publisher.resume({ publisher_id })
      if (kept?.id === transport.id) await publisher.restartIce('network')
      await delay(someMs(random, 0, 1500), undefined, { signal }).catch(() => {})
      await rig.hub.api('DELETE', `/v1/flows/${contract.contract_id}`)
    },
  },
  {
    name: 'a detour opens, carries rubbish, and breaks',
    weight: 2,
    async run({ rig, random, lane }) {
      const { hub } = rig
      const body = { stream_id: `detour-${lane}`, class: 'record', preferred_transports: ['rist'] }
      const answer = await hub.api('POST', '/v1/publish', body, rig.publisherToken)
      const { contract_id, join } = answer.body as { contract_id: string; join: { ticket: string } }
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/detour`)
      socket.on('error', () => {})
      const opened = Promise.withResolvers<string>()
      socket.on('message', (data, isBinary) => {
        if (!isBinary) opened.resolve(detourAnswerSchema.parse(JSON.parse(data.toString())).type)
      })
      socket.on('close', () => opened.resolve('closed'))
      socket.on('open', () => socket.send(JSON.stringify({ ticket: join.ticket })))
      try {
        if ((await opened.promise) !== 'opened') throw new Error('the detour is refused')
        for (let messages = random.below(100); messages > 0; messages -= 1) {
          const writer = new DetourMessageWriter()
          writer.add(0, random.bytes(1 + random.below(MAX_DATAGRAM)))
          socket.send(writer.take(messages))
        }
        if (random.below(4) === 0) socket.send(random.bytes(1 + random.below(500)))
        await delay(someMs(random, 0, 1500))
      } finally {
        if (random.below(2) === 0) socket.close()
        else socket.terminate()
        await hub.api('DELETE', `/v1/flows/${contract_id}`)
      }
    },
  },
]
