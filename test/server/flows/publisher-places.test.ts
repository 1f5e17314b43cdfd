import test from 'ava'
import { NO_RELAYS } from '../../../common/wire/flow-contract.ts'
import type { FlowEvent } from '../../../common/wire/flows-api.ts'
import type { StreamState } from '../../../common/wire/stream.ts'
import { contractOf, type LivePublisherFlow } from '../../../server/flows/publisher-flow.ts'
import { PublisherPlaces } from '../../../server/flows/publisher-places.ts'
import type { Publisher } from '../../../sfu/publisher.ts'
import type { Stream } from '../../../sfu/stream.ts'
import type { PublisherPlace, PublishingListener } from '../../../signaling/publisher-admission.ts'
import { flowOf } from './flow-of.ts'

/** Media that is only looked at and closed. */
class Media {
  alive = true
  arriving = true
  /** Nobody watches: a client that can be told so sends nothing. */
  wanted = true

  packets = 0

  async packetsExpected(sendsAlways: boolean): Promise<number | null> {
    return this.wanted || sendsAlways ? this.packets : null
  }

  isSilent(sendsAlways: boolean): boolean {
    return !this.arriving && (this.wanted || sendsAlways)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.alive = false
  }

  /** As sessions get it. */
  get publisher(): Publisher {
    return this as unknown as Publisher
  }
}

/** A session that gives its place back when it is told to go, as those of protoo and WHIP do. */
class Session implements PublishingListener {
  readonly sendsAlways: boolean
  readonly told: string[] = []
  place: PublisherPlace | null = null
  media: Media | null = null

  constructor(sendsAlways = false) {
    this.sendsAlways = sendsAlways
  }

  publish(media: Media): void {
    this.media = media
    this.place!.publisher = media.publisher
  }

  contractChanged(): void {
    this.told.push('changed')
  }

  contractEnded(reason: 'expired' | 'revoked'): void {
    this.told.push(reason)
  }

  takenOver(): void {
    this.told.push('taken over')
    this.leave()
  }

  leave(): void {
    // As a WHIP session ends: its media goes before its place.
    if (this.sendsAlways && this.place) this.place.publisher = null
    this.place?.[Symbol.dispose]()
  }
}

function rig() {
  const clock = { now: 0 }
  const state: { stream: StreamState } = { stream: { state: 'waiting' } }
  const flows = new Map<string, LivePublisherFlow>([
    ['ticket-1', flowOf('c1')],
    ['ticket-2', flowOf('c2', { stream_id: 'cam-2' })],
  ])
  const listeners = new Map<string, Set<(event: FlowEvent) => void>>()
  const ended: string[] = []
  const stream = {
    get state() {
      return state.stream
    },
  } as Stream
  const places = new PublisherPlaces({
    flows: {
      ofTicket: (ticket) => flows.get(ticket),
      contractOf: (flow) => contractOf(flow, NO_RELAYS),
      listen(contractId, listener) {
        const all = listeners.get(contractId) ?? new Set()
        listeners.set(contractId, all.add(listener))
        return () => void all.delete(listener)
      },
      end: async (contractId) => {
        ended.push(contractId)
        return true
      },
    },
    findStream: () => stream,
    now: () => clock.now,
    lookForMs: 20,
  })
  const admit = (publisherId: string | null, session: Session, ticket = 'ticket-1'): Session => {
    session.place = places.admit(ticket, publisherId, session)
    return session
  }
  const end = (contractId: string) => {
    for (const listener of [...(listeners.get(contractId) ?? [])])
      listener({ type: 'ended', reason: 'revoked' })
  }
  const listening = (contractId: string) => listeners.get(contractId)?.size ?? 0
  return { clock, state, places, admit, end, listening, [Symbol.dispose]: () => places[Symbol.dispose]() }
}

const TAKEN = { code: 'stream_taken', status: 409, hints: { retryAfterSeconds: 1 } }

test('who takes over by the same id before there is media holds the place, and nobody else gets it', (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  const second = it.admit('program-1', new Session())
  t.deepEqual([first.told, second.told], [['taken over'], []])
  t.true(it.places.isTaken('c1'))
  t.like(
    t.throws(() => it.admit('program-2', new Session())),
    TAKEN,
  )
  // The end of the first connection comes late, and twice: the place is the second one's.
  first.leave()
  t.true(it.places.isTaken('c1'))
  const media = new Media()
  second.publish(media)
  t.is(second.place!.publisher, media.publisher)
  it.end('c1')
  t.deepEqual(second.told, ['revoked'])
  t.false(media.alive, 'the end of the contract finds its media')
  t.false(it.places.isTaken('c1'))
  t.is(it.listening('c2'), 0)
})

test('the former holder of a place can not touch the media of its new holder', async (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  first.publish(new Media())
  const second = it.admit('program-1', new Session())
  t.is(second.place!.publisher, first.media!.publisher, 'it finds the media where it was')
  const media = new Media()
  second.publish(media)
  t.false(first.media!.alive)
  first.place!.publisher = null
  t.is(first.place!.publisher, null)
  t.true(media.alive)
  t.is(second.place!.publisher, media.publisher)
})

test('media outlives its connection, and any next connection finds the place free', (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  first.publish(new Media())
  first.leave()
  t.false(it.places.isTaken('c1'))
  t.true(first.media!.alive)
  const other = it.admit('program-2', new Session())
  t.is(other.place!.publisher, first.media!.publisher)
})

test('another program with the same ticket takes over at once where media has stopped', (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  first.publish(new Media())
  it.clock.now = 60_000
  t.like(
    t.throws(() => it.admit('program-2', new Session())),
    TAKEN,
  )
  t.true(it.places.isTaken('c1'))
  first.media!.arriving = false
  t.false(it.places.isTaken('c1'))
  const second = it.admit('program-2', new Session())
  t.deepEqual(first.told, ['taken over'])
  t.true(it.places.isTaken('c1'))
  t.not(second.place, null)
})

test('media that nobody watches has not stopped, but of a client that sends it all the same', (t) => {
  using it = rig()
  const browser = it.admit('program-1', new Session())
  const player = it.admit(null, new Session(true), 'ticket-2')
  for (const session of [browser, player]) {
    session.publish(new Media())
    Object.assign(session.media!, { arriving: false, wanted: false })
  }
  it.clock.now = 60_000
  t.throws(() => it.admit('program-2', new Session()), { message: /being published already/ })
  const next = it.admit(null, new Session(true), 'ticket-2')
  t.deepEqual(player.told, ['taken over'])
  t.false(player.media!.alive)
  next.publish(new Media())
  t.true(next.media!.alive)
})

test('a new publisher has time to connect', (t) => {
  using it = rig()
  const first = it.admit(null, new Session(true))
  first.publish(new Media())
  first.media!.arriving = false
  it.clock.now = 3900
  t.like(
    t.throws(() => it.admit(null, new Session(true))),
    TAKEN,
  )
  it.clock.now = 4000
  t.notThrows(() => it.admit(null, new Session(true)))
})

test("a field sender's connection gives way where its packets have stopped", (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  it.clock.now = 60_000
  it.state.stream = { state: 'live' }
  t.throws(() => it.admit('program-2', new Session()), { message: /being published already/ })
  it.state.stream = { state: 'input_lost' }
  it.admit('program-2', new Session())
  t.deepEqual(first.told, ['taken over'])
})

test('media that still counts as arriving is looked at when somebody asks for its place', async (t) => {
  using it = rig()
  const first = it.admit('program-1', new Session())
  first.publish(new Media())
  it.clock.now = 60_000
  const flowing = setInterval(() => {
    first.media!.packets += 1
  }, 1)
  await it.places.look('ticket-1', 'program-2')
  t.throws(() => it.admit('program-2', new Session()), { message: /being published already/ })
  clearInterval(flowing)
  await it.places.look('ticket-1', 'program-2')
  it.clock.now += 999
  t.false(it.places.isTaken('c1'))
  it.clock.now += 1
  t.true(it.places.isTaken('c1'), 'what was seen a while ago says nothing')
  await it.places.look('ticket-1', 'program-2')
  it.admit('program-2', new Session())
  t.deepEqual(first.told, ['taken over'])
  t.true(it.places.isTaken('c1'))
})
