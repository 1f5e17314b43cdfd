import test from 'ava'
import type { types } from 'mediasoup'
import { NO_RELAY_CHOICE } from '../../common/wire/decision.ts'
import type { ConsumerInfo, HubNews } from '../../common/wire/viewer-protocol.ts'
import { ViewerFlows, type ViewerGrant } from '../../server/flows/viewer-flows.ts'
import { Lane } from '../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../sfu/lane/lane-identity.ts'
import { Stream } from '../../sfu/stream.ts'
import type { SourceHost } from '../../sfu/stream-source.ts'
import { Watching } from '../../signaling/watching.ts'
import type { WatchingClient } from '../../signaling/watching-client.ts'
import { openRelays } from '../support/local-relays.ts'
import { openWorkers, placementOn } from '../support/local-workers.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

/** A client that takes whatever it is offered, and what it heard. */
function client() {
  const heard: string[] = []
  const offered: ConsumerInfo[] = []
  const hears: WatchingClient = {
    present: true,
    tell: (...[method, data]: HubNews) => {
      if (method !== 'picture') heard.push(method === 'contract-ended' ? `${method} ${data.reason}` : method)
    },
    offer: async (consumer) => void offered.push(consumer),
    over: () => heard.push('over'),
    disturbed: () => heard.push('disturbed'),
    transportLost: (reason) => heard.push(reason),
    mediaFailed: (kind, error) => heard.push(`${kind} failed: ${error}`),
  }
  return { ...hears, heard, offered }
}

/** Streams without packets on a real worker, and contracts to watch them by. */
async function openRig() {
  const stack = new AsyncDisposableStack()
  const pool = stack.use(await openWorkers(1))
  const slot = pool.slots[0]!
  const placement = placementOn(pool)
  const relays = stack.use(await openRelays())
  const { events, recorded } = recordEvents()
  const streams = new Map<string, Stream>()
  const flows = stack.use(new ViewerFlows({ get: (_tenantId, streamId) => streams.get(streamId) }))
  let count = 0
  const openStream = (streamId: string) => {
    const spec = { tenantId: 'default', streamId, streamClass: 'focus' } as const
    const stream = stack.use(new Stream(spec, { placement, relays, census: pool.census, events }))
    streams.set(streamId, stream)
    let lane: Lane | null = null
    let host: SourceHost | null = null
    stream.attach((made) => {
      host = made
      return {
        get media() {
          return lane?.alive ? { slot, producers: lane.producers } : null
        },
        demanded: () => {},
        workerReplaced: () => {},
        [Symbol.asyncDispose]: async () => lane?.close(),
      }
    })
    return {
      stream,
      /** Its producers are other ones from now on. */
      async produce() {
        const [port = 0] = await freeUdpPorts(1)
        const before = lane
        lane = await Lane.open(slot, { renditions: 1, audio: true }, new LaneIdentity(streamId), port)
        before?.close()
        host?.mediaChanged()
      },
    }
  }
  const grant = (streamId: string) => {
    const flow: ViewerGrant = {
      contractId: `c-${++count}`,
      tenantId: 'default',
      streamId,
      subject: 'viewer',
      holder: { anonymous: false, name: 'user:viewer' },
      proof: null,
      streamClass: 'focus',
      expiresAt: Date.now() + 60_000,
      wantedKbps: null,
      relay: NO_RELAY_CHOICE,
      abr: { min_kbps: 100, start_kbps: 1000, max_kbps: 5000 },
    }
    return { ticket: flows.grant(flow), contractId: flow.contractId }
  }
  const capabilities: types.RtpCapabilities = slot.router.rtpCapabilities
  const transports = async () => (await slot.router.dump()).transportIds.length
  return {
    pool,
    flows,
    recorded,
    openStream,
    grant,
    transports,
    receiver: () => ({ capabilities }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const kindsOf = (consumers: readonly { readonly kind: string }[] = []) => consumers.map(({ kind }) => kind)

test('a subscribe goes from a ticket to consumers, follows its stream, and gives everything back', async (t) => {
  await using rig = await openRig()
  const one = rig.openStream('one')
  const two = rig.openStream('two')
  await one.produce()
  const page = client()
  const lanes = await rig.transports()
  const watching = new Watching(rig.flows, page)
  const first = rig.grant('one')
  const joined = await watching.join(first.ticket, {}, rig.receiver)
  t.deepEqual(kindsOf(joined.streams[0]?.consumers), ['video', 'audio'])
  t.is(joined.streams[0]?.consumers[0]?.contract_id, first.contractId)
  t.is(one.stream.viewers, 1)
  await one.produce()
  await until(() => page.offered.length === 2, 'what came new is offered')
  t.deepEqual(page.heard, ['consumer-closed', 'consumer-closed'])

  const second = rig.grant('two')
  t.deepEqual(watching.watch(second.ticket, {}).consumers, [])
  await two.produce()
  await until(() => page.offered.length === 4, 'the other stream is offered when it comes')
  t.is(page.offered.at(-1)?.contract_id, second.contractId)
  t.is(await rig.transports(), lanes + 2, 'one transport, and the other lane')

  const next = rig.grant('one')
  t.is(watching.renew(first.contractId, next.ticket).contract_id, next.contractId)
  t.throws(() => watching.renew(second.contractId, rig.grant('one').ticket), { code: 'other_stream' })
  t.throws(() => watching.by(first.contractId), { code: 'not_watched' })
  t.is(rig.flows.get(first.contractId), undefined, 'the one before gave its place back')

  const again = await watching.join(next.ticket, {}, rig.receiver)
  t.deepEqual(
    again.streams.map(({ consumers }) => kindsOf(consumers)),
    [
      ['video', 'audio'],
      ['video', 'audio'],
    ],
  )
  t.true(joined.viewer.end.transport.closed)

  rig.flows.end(second.contractId, 'revoked')
  t.is(page.heard.at(-1), 'contract-ended revoked')
  t.deepEqual([one.stream.viewers, two.stream.viewers], [1, 0])
  rig.flows.end(next.contractId, 'expired')
  t.deepEqual(page.heard.slice(-2), ['contract-ended expired', 'over'])
  t.true(again.viewer.end.transport.closed)
  t.is(await rig.transports(), lanes + 1)
  const told = rig.recorded.map(([name]) => name).filter((name) => name.startsWith('viewer'))
  t.deepEqual(told.toSorted(), ['viewerJoined', 'viewerJoined', 'viewerLeft', 'viewerLeft'])
  watching[Symbol.dispose]()
})

test('whoever goes while it joins leaves nothing, and one that is refused keeps its place', async (t) => {
  await using rig = await openRig()
  const { stream, produce } = rig.openStream('one')
  await produce()
  const lanes = await rig.transports()
  const gone = new Watching(rig.flows, client())
  const { ticket } = rig.grant('one')
  const joining = gone.join(ticket, {}, rig.receiver)
  gone.leave()
  await t.throwsAsync(joining, { code: 'gone' })
  t.is(stream.viewers, 0)
  t.is(await rig.transports(), lanes)
  t.is(rig.flows.size, 0)

  using other = new Watching(rig.flows, client())
  t.throws(() => other.watch(ticket, {}), { code: 'not_joined' })
  await t.throwsAsync(other.join(ticket, {}, rig.receiver), { code: 'unknown_ticket' })
  const { ticket: good } = rig.grant('one')
  const without = () => ({ capabilities: {} })
  const { streams } = await other.join(good, {}, without)
  t.deepEqual(streams[0]?.consumers, [], 'no decoder for anything')
  const { streams: anew } = await other.join(good, {}, rig.receiver)
  t.is(anew[0]?.consumers.length, 2)
  t.is(stream.viewers, 1)
})

test('a worker that dies loses the transport once; the next join goes on with what was watched', async (t) => {
  await using rig = await openRig()
  const { produce } = rig.openStream('one')
  await produce()
  const page = client()
  using watching = new Watching(rig.flows, {
    ...page,
    transportLost: (reason) => {
      page.heard.push(reason)
      watching.lost()
    },
  })
  const { ticket, contractId } = rig.grant('one')
  await watching.join(ticket, {}, rig.receiver)
  const before = rig.pool.slots[0]!.worker
  process.kill(before.pid, 'SIGKILL')
  await until(() => page.heard.includes('worker_lost'), 'the loss is told')
  t.is(watching.viewer, null)
  t.is(watching.by(contractId).media, undefined)
  await until(() => rig.pool.slots[0] && rig.pool.slots[0].worker !== before, 'another worker')
  const { capabilities } = rig.receiver()
  const { streams } = await watching.join(ticket, {}, () => ({ capabilities }))
  t.is(streams[0]?.contract_id, contractId)
  t.deepEqual(page.heard.filter((what) => what === 'worker_lost').length, 1)
})
