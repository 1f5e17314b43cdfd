import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { type FlowContract, NO_RELAYS } from '../../../common/wire/flow-contract.ts'
import { PayloadRouters } from '../../../sfu/payload-routers.ts'
import type { Publisher } from '../../../sfu/publisher.ts'
import { Stream } from '../../../sfu/stream.ts'
import type { PublisherPlace } from '../../../signaling/publisher-admission.ts'
import { readIceFragment } from '../../../signaling/sdp/ice-fragment.ts'
import { readOffer } from '../../../signaling/sdp/offer.ts'
import { publishedTracks } from '../../../signaling/sdp/published-tracks.ts'
import { WhepViewing } from '../../../signaling/whep/whep-viewing.ts'
import { WhipPublishing } from '../../../signaling/whip/whip-publishing.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { openLaneStream } from '../../support/lane-stream.ts'
import { openRelays } from '../../support/local-relays.ts'
import { openWorkers, placementOn } from '../../support/local-workers.ts'
import { GSTREAMER_OFFER, OBS_OFFER, PLAYER_OFFER, SIMULCAST_OFFER } from '../../support/offers.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { spoiltOffer } from '../../support/spoilt-offer.ts'
import { until } from '../../support/until.ts'

/** How long spoilt offers are taken, ms. */
const BUDGET_MS = 6000
const LEAST = 300

const ABR = { min_kbps: 100, start_kbps: 1000, max_kbps: 5000 }
const CONTRACT: FlowContract = {
  contract_id: 'c',
  version: 1,
  tenant_id: 'default',
  stream_id: 'published',
  class: 'focus',
  mode: 'lan-direct',
  transport: 'webrtc',
  endpoints: [],
  detours: [],
  keys: null,
  buffer: null,
  abr: ABR,
  join: { protoo_url: '/protoo', whip_url: null, ticket: 'ticket', ...NO_RELAYS },
  pacing: { target_kbps: 1000, max_kbps: 5000, burst_ms: 100 },
  overlay: { path: [], edge: 'hub', bindings: [] },
  latency: { budget_ms: null, estimate_ms: 0, stages: [] },
  reasons: [],
  expires_at: 0,
}

/** A place as contracts give it. Its media is closed with it. */
function placeOn(stream: Stream): PublisherPlace {
  let held: Publisher | null = null
  return {
    stream,
    contract: CONTRACT,
    ice: () => NO_RELAYS,
    get publisher() {
      return held?.alive ? held : null
    },
    set publisher(publisher) {
      if (held !== publisher) void held?.[Symbol.asyncDispose]()
      held = publisher
    },
    reportWays: () => {},
    end: async () => {},
    [Symbol.dispose]() {},
  }
}

test('spoilt offers are refused with a reason or taken, and leave nothing behind', async (t) => {
  await using stack = new AsyncDisposableStack()
  const { events } = recordEvents()
  const pool = stack.use(await openWorkers(1))
  const relays = stack.use(await openRelays())
  const placement = placementOn(pool)
  const watched = stack.use(
    await openLaneStream({ pool, placement, streamId: 'watched', renditions: 2 }),
  ).stream
  const published = stack.use(
    new Stream(
      { tenantId: 'default', streamId: 'published', streamClass: 'focus' },
      { placement, census: pool.census, events, relays },
    ),
  )
  const routers = stack.use(new PayloadRouters({ idleMs: 0 }))
  const router = pool.slots[0]!.router
  const place = () => placeOn(published)
  const viewer = () => ({
    contractId: 'v',
    anonymous: false,
    stream: watched,
    abr: ABR,
    priority: 100,
    connected() {},
    away() {},
    ice: () => NO_RELAYS,
    passRelays() {},
    leave() {},
    [Symbol.dispose]() {},
  })
  const transportsBefore = (await router.dump()).transportIds.length

  const random = new SeededRandom('offers')
  const outcomes = new Map<string, number>()
  const offers = [OBS_OFFER, GSTREAMER_OFFER, SIMULCAST_OFFER]
  const end = performance.now() + BUDGET_MS
  for (let round = 0; round < LEAST || performance.now() < end; round++) {
    const publishes = round % 2 === 0
    const sdp = spoiltOffer(publishes ? offers[random.below(offers.length)]! : PLAYER_OFFER, random)
    let outcome = 'taken'
    try {
      const offer = readOffer(sdp)
      if (publishes) {
        const tracks = publishedTracks(offer, router.rtpCapabilities, 'published')
        const { media } = await WhipPublishing.open(
          { admission: { admit: place, look: async () => {} }, events },
          'ticket',
          offer,
          tracks,
          () => {},
        )
        media[Symbol.dispose]()
      } else {
        const { media } = await WhepViewing.open(
          {
            admission: { admit: viewer },
            events,
            routers,
            routerCapabilities: () => router.rtpCapabilities,
            expectedCodecs: () => null,
          },
          'ticket',
          { offer, followsPayloadTypes: random.below(2) === 0 },
          () => {},
        )
        media[Symbol.dispose]()
      }
    } catch (error) {
      if (!(error instanceof CodedError) || error.status >= 500)
        return t.fail(`round ${round}: ${error instanceof Error ? error.stack : error}\n${sdp}`)
      outcome = error.code
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    try {
      readIceFragment(sdp.replace(/^[^am]=.*\r?\n/gm, ''))
    } catch (error) {
      if (!(error instanceof CodedError)) return t.fail(`fragment in round ${round}: ${error}`)
    }
  }
  t.log(JSON.stringify(Object.fromEntries(outcomes)))
  t.true((outcomes.get('taken') ?? 0) > 20)
  t.true((outcomes.get('bad_sdp') ?? 0) > 20)
  await until(() => routers.size === 0, 'routers closed')
  // Pipes to the routers go with them; what is left is what there was, and the way to the worker's relay process.
  await until(
    async () => (await router.dump()).transportIds.length === transportsBefore + 1,
    'transports closed',
  )
})
