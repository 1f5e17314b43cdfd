import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { nodeEntrySchema } from '../../../common/wire/topology.ts'
import { EnrolledRelays } from '../../../server/relays/enrolled-relays.ts'
import { relaySecretOf } from '../../../server/relays/turn-secret.ts'
import { Topology } from '../../../server/topology/graph.ts'
import { until } from '../../support/until.ts'

const entryOf = (role: 'relay' | 'edge', ...addresses: string[]) =>
  nodeEntrySchema.parse({ role, addresses, created_at: 1 })

test('shared relays of the directory are taken up with their URLs, and dropped with their nodes', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  socket.on('message', (request, { port, address }) => {
    const answer = Buffer.from(request)
    answer.writeUInt16BE(0x0101, 0)
    socket.send(answer, port, address)
  })
  const url = `turn:127.0.0.1:${socket.address().port}?transport=udp`
  const topology = new Topology()
  topology.upsert(null, 'early', entryOf('relay', '192.0.2.1', url), 0)
  const failures: unknown[] = []
  const enrolled = new EnrolledRelays({
    topology,
    secretOf: (nodeId) => {
      if (nodeId === 'secretless') throw new Error('no secret')
      return relaySecretOf('a master secret', nodeId)
    },
    known: new Set(['configured']),
    failed: (error) => failures.push(error),
  })
  t.teardown(() => enrolled[Symbol.dispose]())
  const names = () => enrolled.relays.map(({ nodeId }) => nodeId).toSorted()
  t.deepEqual(names(), ['early'])
  t.deepEqual(enrolled.relays[0]?.urls, [url])
  await until(() => enrolled.relays[0]?.facts.down === null, 'it answers')

  topology.upsert(null, 'late', entryOf('relay', url), 0)
  topology.upsert(null, 'configured', entryOf('relay', url), 0)
  topology.upsert(null, 'no-urls', entryOf('relay', '192.0.2.1'), 0)
  topology.upsert(null, 'no-relay', entryOf('edge', url), 0)
  topology.upsert('acme', 'a-tenants', entryOf('relay', url), 0)
  topology.upsert(null, 'secretless', entryOf('relay', url), 0)
  await until(() => names().length === 2, 'the late one is there')
  t.deepEqual(names(), ['early', 'late'])
  t.is(failures.length, 1)
  const [one, other] = enrolled.relays
  t.not(one?.secret, other?.secret)

  topology.upsert(null, 'late', entryOf('relay', url.replace('udp', 'tcp')), 0)
  topology.remove(null, 'early')
  await until(() => names().join() === 'late' && enrolled.relays[0]!.urls[0]!.endsWith('tcp'), 'both changed')
  t.pass()
})
