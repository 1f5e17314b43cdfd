import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import test from 'ava'
import { subjectTag } from '../../turn/credentials.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { programOnPath } from '../support/program-on-path.ts'
import { testCertificate } from '../support/test-certificate.ts'
import { LIMITS, Peer, SECRET, turnStart } from '../support/turn-rig.ts'
import { freeUdpRange } from '../support/udp-ports.ts'

const run = promisify(execFile)
const any = [{ ip: '127.0.0.1', port: 0 }]
/** It puts the time before it. */
const USER = `acme/c1/${subjectTag(SECRET, 'acme', 'user:alice')}`
const MESSAGES = 20
/** It makes pairs. */
const CLIENTS = 4
/** Relayed ports of each test: all run at once, as they mostly wait. */
const RELAYED_PORTS = 40

/** coturn's own client, of Debian's package `coturn`, against our server, with its own echoing peer. */
for (const [name, protocol, flags] of [
  ['UDP, by channels, with RTCP ports reserved', 'udp', []],
  ['UDP, by indications', 'udp', ['-s']],
  ['UDP, from client to client', 'udp', ['-y', '-c']],
  ['UDP, with DONT-FRAGMENT, padding and extra requests', 'udp', ['-g', '-D', '-G']],
  [
    'UDP, with the family by name, mobility, an origin and a bandwidth',
    'udp',
    ['-X', '-M', '-o', 'https://a.example', '-a', '99999'],
  ],
  ['TCP, by channels', 'tcp', ['-t']],
  ['TCP, by indications', 'tcp', ['-t', '-s']],
  ['TLS, by channels', 'tls', ['-t', '-S']],
  ['TLS, from client to client', 'tls', ['-t', '-S', '-y', '-c']],
] as const)
  test(`turnutils_uclient passes over ${name}`, async (t) => {
    const limits = { ...LIMITS, allocations_per_user: 50 }
    const first = await freeUdpRange(RELAYED_PORTS)
    const relay = {
      addresses: [{ ip: '127.0.0.1', announced: null }],
      ports: [first, first + RELAYED_PORTS - 1] as [number, number],
    }
    await using server = await TurnServer.open(
      turnStart({ listen: { udp: any, tcp: any, tls: any }, tls: await testCertificate(), limits, relay }),
    )
    await using echo = await echoingPeer()
    const { port } = server.bound[protocol][0]!
    const { stdout } = await run(programOnPath(['turnutils_uclient'], 'TURN_UCLIENT'), [
      ...['-L', '127.0.0.1', '-e', '127.0.0.1', '-r', String(echo.port), '-p', String(port)],
      ...['-u', USER, '-W', SECRET, '-n', String(MESSAGES), '-m', String(CLIENTS), '-l', '171'],
      ...flags,
      '127.0.0.1',
    ])
    t.regex(stdout, /Total lost packets 0 /)
    const [, sent, got] = /tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s*\n(?![\s\S]*tot_send_msgs)/.exec(
      stdout,
    )!
    t.deepEqual([Number(sent), Number(got)], [MESSAGES * CLIENTS, MESSAGES * CLIENTS])
    t.true(server.report().allocated_total >= CLIENTS)
  })

async function echoingPeer() {
  // A free port, which the program cannot choose itself.
  const { port } = await Peer.open().then(async (peer) => {
    await peer[Symbol.asyncDispose]()
    return peer.endpoint
  })
  const program = programOnPath(['turnutils_peer'], 'TURN_PEER')
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-L', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  return {
    port,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}
