import test from 'ava'
import { WebRtcEnd } from '../../sfu/web-rtc-end.ts'
import { WorkerPool } from '../../sfu/worker-pool.ts'
import { recordEvents } from '../support/recorded-events.ts'

test('a transport is told at the address of now, also where the worker was started with another', async (t) => {
  let address = '203.0.113.7'
  await using pool = await WorkerPool.open({
    count: 1,
    webRtc: { ip: '127.0.0.1', announced: () => address, basePort: 0 },
    batchedSends: false,
    events: recordEvents().events,
  })
  const slot = pool.slots[0]!
  const told = async () => {
    using end = await WebRtcEnd.open({ slot, router: slot.router })
    const described = end.describe().ice_candidates
    t.true(described.length >= 2, 'UDP and TCP')
    // Answers to WHIP and WHEP read the transport itself.
    t.deepEqual(
      described.map((candidate) => candidate['address']),
      end.transport.iceCandidates.map((candidate) => candidate.address),
    )
    return new Set(described.map((candidate) => candidate['address']))
  }
  t.deepEqual(await told(), new Set(['203.0.113.7']))
  address = '198.51.100.9'
  t.deepEqual(await told(), new Set(['198.51.100.9']))
})
