import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Endpoint } from '../../common/net/endpoint.ts'
import { readTurnUrl } from '../../common/net/turn-url.ts'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { TurnClient, type TurnUserOptions } from '../support/turn-client.ts'
import { publishByWhip, watchByWhep } from '../support/werift-doors.ts'
import { type Acting, type Action, oneOf, someMs } from './action.ts'

const PORT = 9

interface Lease {
  readonly contractId: string
  readonly user: TurnUserOptions
  readonly at: { readonly udp: Place; readonly tcp: Place }
}
interface Place {
  readonly ip: string
  readonly port: number
}

/** A viewer's contract with its relay. @throws while the relay is down */
async function lease({ rig, random }: Acting): Promise<Lease> {
  const asked = { stream_id: oneOf(random, ['cam-1', 'cam-2', 'card']), tenant_id: 'default' }
  const { body } = await rig.hub.api('POST', '/v1/subscribe', asked, null)
  const { contract_id, join } = subscribeAnswerSchema.parse(body)
  const [server] = join.webrtc.ice_servers
  if (!server) throw new Error('no relay is up')
  const placeOf = (protocol: 'udp' | 'tcp') => {
    const { host, port } = server.urls.map(readTurnUrl).find((url) => url.protocol === protocol)!
    return { ip: host, port }
  }
  return {
    contractId: contract_id,
    user: { username: server.username!, password: server.credential! },
    at: { udp: placeOf('udp'), tcp: placeOf('tcp') },
  }
}

const openClient = ({ random }: Acting, { at, user }: Lease) =>
  random.below(2) === 0 ? TurnClient.udp(at.udp, user) : TurnClient.tcp(at.tcp, user)

/** The hub's TURN relay: who uses it, who abuses it, and the ways in which they leave. */
export const RELAY_ACTIONS: readonly Action[] = [
  {
    name: 'allocate at the relay, send, and leave or vanish',
    weight: 3,
    async run(acting) {
      const { rig, random, signal } = acting
      const granted = await lease(acting)
      await using stack = new AsyncDisposableStack()
      for (let count = random.below(5); count >= 0; count -= 1) {
        const client = stack.use(await openClient(acting, granted))
        await client.allocate()
        await client.bind(0x4000, Endpoint.of('127.0.0.1', PORT))
        for (let sent = random.below(50); sent > 0; sent -= 1)
          client.sendChannel(0x4000, random.bytes(1 + random.below(1200)))
        if (random.below(2) === 0) await client.refresh(0)
      }
      await delay(someMs(random, 0, 2000), undefined, { signal }).catch(() => {})
      // An allocation over UDP outlives its client, and ends with the contract.
      await rig.hub.api('DELETE', `/v1/viewers/${granted.contractId}`)
    },
  },
  {
    name: 'publish and watch through the relay alone',
    weight: 1,
    async run(acting) {
      const { rig, random, signal, lane } = acting
      const { user, at } = await lease(acting)
      const { username, password: credential } = user
      const relays = [{ urls: `turn:${at.udp.ip}:${at.udp.port}?transport=udp`, username, credential }]
      const door = (name: string) => `${rig.hub.url}/${name}/relayed-${lane}`
      await using _session = await publishByWhip(door('whip'), rig.publisherToken, relays)
      await using viewer =
        random.below(2) === 0 ? await watchByWhep(door('whep'), rig.viewerToken, relays) : null
      await delay(someMs(random, 500, 4000), undefined, { signal }).catch(() => {})
      if (viewer && viewer.received.audio + viewer.received.video === 0)
        throw new Error('nothing was received')
    },
  },
  {
    name: 'strangers at the relay',
    weight: 2,
    async run(acting) {
      const { random } = acting
      const { user, at } = await lease(acting)
      const forged = { ...user, password: randomBytes(20).toString('base64') }
      await using client = await openClient(acting, { contractId: '', at, user: forged })
      await client.allocate().then(
        () => Promise.reject(new Error('a forged credential got an allocation')),
        () => {},
      )
      for (let count = random.below(200); count > 0; count -= 1)
        client.raw(random.bytes(1 + random.below(200)))
      const half = connect(at.tcp.port, at.tcp.ip)
      half.on('error', () => {})
      half.write(random.bytes(1 + random.below(30)))
      await delay(someMs(random, 0, 1500))
      half.destroy()
    },
  },
]
