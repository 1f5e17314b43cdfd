import test from 'ava'
import { SETTINGS } from '../../../server/config/settings.ts'
import { ownPorts } from '../../../server/relays/own-ports.ts'
import { PeerRules } from '../../../turn/peer-rules.ts'

const streams = [{ stream_id: 'cam', class: 'focus', ports: [6000, 6001] }] as never
const config = { rtcPort: 9420, workers: 2, ristPorts: [9500, 9899] as [number, number], streams }
const IP = '192.0.2.7'

const PORTS = [
  { port: 9420, what: 'the first worker', reached: true },
  { port: 9421, what: 'the last worker', reached: true },
  { port: 9419, what: 'below the workers', reached: false },
  { port: 9422, what: 'above the workers', reached: false },
  { port: 9500, what: 'RIST', reached: true },
  { port: 9900, what: 'above RIST', reached: false },
  { port: 6001, what: 'a link of the configuration', reached: true },
  { port: 6002, what: 'no link', reached: false },
  { port: Number(SETTINGS.rtpPorts.default.split('-')[0]), what: 'RTP between processes', reached: false },
  { port: Number(SETTINGS.turnPort.default), what: 'TURN itself', reached: false },
  { port: Number(SETTINGS.turnRelayPorts.default.split('-')[0]), what: 'another allocation', reached: false },
  { port: 53, what: 'a resolver', reached: false },
] as const

for (const { port, what, reached } of PORTS)
  test(`a relay ${reached ? 'reaches' : 'does not reach'} port ${port} of the hub: ${what}`, (t) => {
    const rules = new PeerRules({ own: [IP], ...ownPorts(config), allow: ['0.0.0.0/0'], deny: [] })
    t.is(rules.allows(IP, port), reached)
    t.true(rules.allows(IP), 'a permission is for all ports')
  })
