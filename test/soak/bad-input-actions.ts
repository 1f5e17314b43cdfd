import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../fuzz/seeded-random.ts'
import { OBS_OFFER, PLAYER_OFFER } from '../support/offers.ts'
import { sendGarbage } from '../support/rist-intruder.ts'
import { spoiltOffer } from '../support/spoilt-offer.ts'
import { type Action, oneOf, someMs } from './action.ts'
import type { SoakRig } from './soak-rig.ts'

/** Posts text as it is. Any answer will do, except a failure of the hub itself. */
async function post(rig: SoakRig, path: string, type: string, body: string, token: string): Promise<void> {
  const headers = { 'content-type': type, authorization: `Bearer ${token}` }
  const answer = await fetch(new URL(path, rig.hub.url), { method: 'POST', headers, body })
  const text = await answer.text()
  if (answer.status >= 500 && answer.status !== 503)
    throw new Error(`${path} answered ${answer.status}: ${text}`)
}

const BODIES: readonly ((random: SeededRandom) => string)[] = [
  () => '{"stream_id":',
  () => '[]',
  () => '{"__proto__":{"stream_id":"x"},"constructor":1}',
  () => '['.repeat(20_000),
  (random) => JSON.stringify({ stream_id: 'x'.repeat(random.below(5000)), class: null }),
  (random) => random.bytes(1 + random.below(2000)).toString('latin1'),
  (random) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: random.below(2000) }, (_, at) => [`k${at}`, at]))),
]

const YAML: readonly string[] = [
  'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n',
  'acl:\n  - name: [\n',
  '!!js/function "x"',
  'acl: {a: b, a: c}\n',
  `[${','.repeat(500)}`,
]

const PROTOO: readonly string[] = [
  'no JSON',
  '{}',
  '{"request":true,"id":1,"method":"join","data":{"ticket":"nobody\'s","rtp_capabilities":{}}}',
  '{"request":true,"id":-1,"method":"__proto__","data":null}',
  '{"request":true,"id":1,"method":"publish","data":[]}',
  '{"response":true,"id":77,"ok":true,"data":{}}',
  '{"notification":true,"method":"report"}',
  `{"request":true,"id":1,"method":"${'x'.repeat(10_000)}"}`,
]

const HALF_SENT: readonly string[] = [
  'GET / HT',
  'POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"a":',
  'POST /v1/subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\nabc',
  'GET /protoo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
  '\x16\x03\x01\x02\x00\x01\x00',
  '\r\n\r\n\r\n',
]

/** What nobody should send. */
export const BAD_INPUT_ACTIONS: readonly Action[] = [
  {
    name: 'malformed JSON',
    weight: 2,
    run: ({ rig, random }) =>
      post(
        rig,
        oneOf(random, ['/v1/publish', '/v1/subscribe', '/v1/telemetry', '/v1/reroute', '/v1/webhooks']),
        'application/json',
        oneOf(random, BODIES)(random),
        rig.publisherToken,
      ),
  },
  {
    name: 'malformed YAML',
    weight: 1,
    run: ({ rig, random }) =>
      post(
        rig,
        '/v1/policies/default/validate',
        'application/yaml',
        oneOf(random, YAML),
        oneOf(random, [rig.viewerToken, rig.hub.adminToken]),
      ),
  },
  {
    name: 'malformed SDP',
    weight: 2,
    async run({ rig, random, lane }) {
      const whip = random.below(2) === 0
      const offer = spoiltOffer(whip ? OBS_OFFER : PLAYER_OFFER, random)
      const path = whip ? `/whip/spoilt-${lane}` : '/whep/cam-1'
      await post(rig, path, 'application/sdp', offer, whip ? rig.publisherToken : rig.viewerToken)
    },
  },
  {
    name: 'malformed protoo messages',
    weight: 2,
    async run({ rig, random, signal }) {
      const socket = new WebSocket(`${rig.hub.url.replace(/^http/, 'ws')}/protoo`, 'protoo')
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve)
        socket.addEventListener('error', () => reject(new Error('no WebSocket')))
      })
      for (let count = random.below(10); count >= 0; count -= 1) {
        if (socket.readyState !== WebSocket.OPEN) break
        if (random.below(4) === 0) socket.send(Uint8Array.from(random.bytes(random.below(300))))
        else socket.send(oneOf(random, PROTOO))
        await delay(random.below(50))
      }
      await delay(someMs(random, 0, 1500), undefined, { signal }).catch(() => {})
      socket.close()
    },
  },
  {
    name: 'requests that are never whole',
    weight: 2,
    async run({ rig, random, signal }) {
      const { hostname, port } = new URL(rig.hub.url)
      const sockets = Array.from({ length: 1 + random.below(15) }, () => {
        const socket = connect(Number(port), hostname, () => socket.write(oneOf(random, HALF_SENT), 'latin1'))
        return socket.on('error', () => {}).resume()
      })
      await delay(someMs(random, 100, 4000), undefined, { signal }).catch(() => {})
      for (const socket of sockets) socket.destroy()
    },
  },
  {
    name: 'garbage at a RIST port',
    weight: 1,
    async run({ rig, random, signal }) {
      const stream = oneOf(random, [rig.coming, rig.hub.streams.get('cam-1')!])
      await using _garbage = sendGarbage(oneOf(random, stream.ports))
      await delay(someMs(random, 200, 1500), undefined, { signal }).catch(() => {})
    },
  },
]
