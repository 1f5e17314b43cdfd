import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { effectivePolicy } from '../../../policy/effective.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { ConfiguredStream } from '../../../server/config/configured-stream.ts'
import { DecisionBook } from '../../../server/flows/decision-book.ts'
import { PublisherFlows } from '../../../server/flows/publisher-flows.ts'
import { changedStreams, StandingStreams } from '../../../server/flows/standing-streams.ts'
import { ViewerFlows } from '../../../server/flows/viewer-flows.ts'
import { joinTopology } from '../../../server/join-topology.ts'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { Topology } from '../../../server/topology/graph.ts'
import { until } from '../../support/until.ts'

const HUB = { hubId: 'hub', maxKbps: 0, hubOnWire: false }
const ADDRESS = '127.0.0.1'
const ADDRESSES = { announced: { rtc: ADDRESS, rist: ADDRESS }, onChange: () => () => {} }

const stream = (stream_id: string, more: Partial<ConfiguredStream> = {}): ConfiguredStream => ({
  stream_id,
  class: 'focus',
  links: 1,
  ports: [9500],
  passphrase: `passphrase of ${stream_id}`,
  aes_bits: 256,
  public: false,
  authentication: 'srp',
  username: 'user',
  password: 'a password',
  ...more,
})

/** Standing streams over real contracts in a store in memory; media is only written down. */
async function rig(t: ExecutionContext) {
  const store = await openMemoryStore()
  const stack = new AsyncDisposableStack()
  t.teardown(() => stack.disposeAsync())
  stack.use(store)
  const media: string[] = []
  const told: string[] = []
  const topology = new Topology()
  stack.use(joinTopology(topology, HUB, ADDRESSES))
  const publishers = stack.use(
    new PublisherFlows({
      store,
      sealer: new Sealer(ephemeralKeyring()),
      hubId: HUB.hubId,
      media: {
        open: ({ contract: { stream_id } }) => void media.push(`+${stream_id}`),
        close: async ({ contract: { stream_id } }) => void media.push(`-${stream_id}`),
      },
      watcher: { running: () => {}, over: () => {}, tell: () => {} },
      onError: (error) => told.push(String(error)),
    }),
  )
  const viewers = stack.use(new ViewerFlows({ get: () => undefined }))
  const allowed = { is: true }
  const gate = { opens: Promise.resolve() }
  const policies = [true, false].map((publish) =>
    effectivePolicy('default', publish ? {} : { encryption: { forbid_transports: ['rist', 'webrtc'] } }, 1),
  )
  const deps = {
    publishers,
    decisions: new DecisionBook({
      hubId: HUB.hubId,
      topology: topology.snapshot,
      policyOf: () => policies[allowed.is ? 0 : 1]!,
      publishers,
      viewers,
      workersFull: () => null,
    }),
    noteDecision: async () => await gate.opens,
    now: Date.now,
    door: { nodeId: HUB.hubId, address: ADDRESS, takePorts: () => [9600], givePorts: () => {} },
  }
  const standing = stack.use(
    new StandingStreams(deps, {
      standing: (id, reason) => void told.push(`${id} ${reason === null ? 'stands' : 'refused'}`),
      revoked: (id) => void told.push(`${id} revoked`),
      removed: (id) => void told.push(`${id} removed`),
    }),
  )
  const ends = async () => {
    const records = await store.auditPage(null, { limit: 100, newest_first: false })
    const ofContracts = records.filter(({ action }) => action === 'contract.end')
    return ofContracts.map(
      ({ object, detail }: Pick<AuditDraft, 'object' | 'detail'>) => `${object}: ${detail['why']}`,
    )
  }
  const contractOf = (id: string) => publishers.ofStream('default', id)?.contract
  return { standing, media, told, ends, contractOf, publishers, allowed, gate }
}

test('what is added begins, what is removed ends, what changed is made anew, and the rest is left alone', async (t) => {
  const { standing, media, told, ends, contractOf } = await rig(t)
  await standing.keep([stream('stays'), stream('goes'), stream('ports'), stream('class'), stream('secret')])
  const [before, ofPorts] = [contractOf('stays'), contractOf('ports')]
  media.length = 0
  told.length = 0
  await standing.keep([
    // Who may watch is no term of the contract.
    stream('stays', { public: true }),
    stream('comes'),
    stream('ports', { ports: [9700, 9702] }),
    stream('class', { class: 'record' }),
    stream('secret', { password: 'another password' }),
  ])
  t.deepEqual(media.toSorted(), [
    '+class',
    '+comes',
    '+ports',
    '+secret',
    '-class',
    '-goes',
    '-ports',
    '-secret',
  ])
  // Ports are free again before they are asked for.
  t.true(media.slice(0, 4).every((what) => what.startsWith('-')))
  t.deepEqual(contractOf('stays'), before)
  t.is(contractOf('goes'), undefined)
  t.not(contractOf('ports')?.contract_id, ofPorts?.contract_id)
  t.deepEqual(
    contractOf('ports')?.endpoints.map(({ port }) => port),
    [9700, 9702],
  )
  t.is(contractOf('class')?.class, 'record')
  t.deepEqual(told.toSorted(), [
    'class stands',
    'comes stands',
    'goes removed',
    'ports stands',
    'secret stands',
  ])
  t.deepEqual((await ends()).toSorted(), [
    'stream/class: the configuration of the stream has changed',
    'stream/goes: the configuration has no such stream any more',
    'stream/ports: the configuration of the stream has changed',
    'stream/secret: the configuration of the stream has changed',
  ])
  // The same once more: nothing happens.
  media.length = 0
  await standing.keep([stream('comes'), stream('stays')].concat(stream('ports', { ports: [9700, 9702] })))
  t.deepEqual(media.toSorted(), ['-class', '-secret'])
})

test('a stream that was revoked by hand stays away until the configuration changes it', async (t) => {
  const { standing, contractOf, publishers } = await rig(t)
  await standing.keep([stream('cam-1')])
  await publishers.end(contractOf('cam-1')!.contract_id, 'revoked', 'user:olga', 'by hand')
  await standing.keep([stream('cam-1'), stream('cam-2')])
  t.true(standing.isAway('cam-1'))
  t.is(contractOf('cam-1'), undefined)
  await standing.keep([stream('cam-1', { links: 2, ports: [9800, 9802] }), stream('cam-2')])
  t.false(standing.isAway('cam-1'))
  t.truthy(contractOf('cam-1'))
})

test('a stream that is removed while its contract is asked for has none afterwards', async (t) => {
  const { standing, contractOf, publishers, allowed, gate, told, media } = await rig(t)
  allowed.is = false
  const opened = Promise.withResolvers<void>()
  gate.opens = opened.promise
  const asking = standing.keep([stream('cam-1')])
  await setImmediate()
  const removing = standing.keep([])
  opened.resolve()
  await Promise.all([asking, removing])
  t.is(contractOf('cam-1'), undefined)
  t.deepEqual(publishers.list(), [])
  // It is not asked for again, nor said to be refused.
  t.deepEqual(told, ['cam-1 removed'])

  allowed.is = true
  const granting = standing.keep([stream('cam-2')])
  await until(() => media.includes('+cam-2'), 'its contract is about to be stored')
  await Promise.all([granting, standing.keep([])])
  t.deepEqual(publishers.list(), [])
  t.deepEqual(media, ['+cam-2', '-cam-2'])
})

test('a refused stream is asked for again with what the configuration says now', async (t) => {
  const { standing, contractOf, allowed, told } = await rig(t)
  allowed.is = false
  await standing.keep([stream('cam-1')])
  t.deepEqual(told, ['cam-1 refused'])
  allowed.is = true
  await standing.keep([stream('cam-1', { class: 'bulk' })])
  t.is(contractOf('cam-1')?.class, 'bulk')
})

test('lists of streams are told apart by their ids', (t) => {
  const [one, two] = [stream('one'), stream('two')]
  t.deepEqual(changedStreams([one, two], [two, one]), {})
  t.deepEqual(changedStreams([one, two], [stream('two', { public: true }), stream('three')]), {
    streams_added: ['three'],
    streams_removed: ['one'],
    streams_changed: ['two'],
  })
})
