import test from 'ava'
import { Peer, WebSocketTransport } from 'protoo-client'
import { WebSocket } from 'ws'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { joinAnswer } from '../../common/wire/viewer-protocol.ts'
import { askHub } from '../../signaling/client/hub-request.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { until } from '../support/until.ts'
import { askToPublish, WeriftPublisher } from '../support/werift-publisher.ts'

/** Clients that keep the hub busy with what costs them nothing. */

const STREAM = 'flooded'

let hub: TestHub
let publisher: WeriftPublisher

test.before(async () => {
  hub = await startHub([], { workers: 1 })
  const pat = await hub.issueToken({ role: 'publisher', subject: 'pat' })
  publisher = new WeriftPublisher(hub.url, await askToPublish(hub.url, pat, STREAM))
})

test.after.always(async () => {
  await publisher[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
})

const door = (): string => `${hub.url.replace(/^http/, 'ws')}/protoo`

for (const kind of ['ping', 'pong'] as const)
  test(`a client that floods the hub with frames of the kind ${kind} is cut off`, async (t) => {
    const flooder = new WebSocket(door(), 'protoo')
    flooder.on('error', () => {})
    let [closed, answers] = [false, 0]
    flooder.on('close', () => {
      closed = true
    })
    flooder.on('pong', () => {
      answers += 1
    })
    await new Promise<void>((resolve) => flooder.on('open', resolve))
    for (let sent = 0; sent < 5000; sent += 1) flooder[kind]('x'.repeat(125))
    await until(() => closed, 'the end of the flood')
    t.true(answers <= 20, `${answers} answers`)
  })

interface Restarting {
  readonly restart: () => Promise<unknown>
  readonly [Symbol.dispose]: () => void
}

const RESTARTING: Readonly<Record<string, () => Promise<Restarting>>> = {
  async viewer() {
    const token = await hub.issueToken({ role: 'viewer', subject: 'vic' })
    const asked = { hubUrl: hub.url, path: '/v1/subscribe', token, body: { stream_id: STREAM } }
    const { ticket } = (await askHub(asked, subscribeAnswerSchema)).join.webrtc
    const peer = new Peer(new WebSocketTransport(door(), { retry: { retries: 0 } }))
    await new Promise<void>((resolve) => void peer.on('open', resolve))
    const capabilities = { codecs: [], headerExtensions: [] }
    const { transport } = joinAnswer.parse(
      await peer.request('join', { ticket, rtp_capabilities: capabilities }),
    )
    return {
      restart: () => peer.request('restart-ice', { transport_id: transport.id, reason: 'network' }),
      [Symbol.dispose]: () => peer.close(),
    }
  },
  async publisher() {
    const { transport } = await publisher.publish()
    const { id } = transport!
    return {
      restart: () => publisher.connection.request('restart-ice', { transport_id: id, reason: 'network' }),
      [Symbol.dispose]() {},
    }
  },
}

for (const [who, open] of Object.entries(RESTARTING))
  test(`a ${who} restarts ICE as often as a network changes, and no oftener`, async (t) => {
    using client = await open()
    const outcomes: string[] = []
    for (let asked = 0; asked < 18; asked += 1)
      outcomes.push(
        await client.restart().then(
          () => 'restarted',
          (error: unknown) => String(error),
        ),
      )
    t.deepEqual(new Set(outcomes.slice(0, 10)), new Set(['restarted']))
    t.regex(outcomes.at(-1)!, /too_many_requests|a second at most/)
    const restarted = outcomes.filter((outcome) => outcome === 'restarted').length
    t.is(await hub.metric(`ice_restarts_total{by="client",of="${who}"}`), restarted)
  })
