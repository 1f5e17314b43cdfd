import test from 'ava'
import { TransportBounds } from '../../sfu/transport-bounds.ts'

/** What all layers together take and what a transport's estimate starts at, bits per second. */
const DESIRED = 4_430_000
const INITIAL = 3_000_000

/**
 * The ceiling of a worker's transport, as far as it decides about probes: `TransportCongestionControlClient.cpp` of
 * mediasoup 3.27 and libwebrtc's `probe_controller.cc`. Nothing that is probed for is ever found here.
 */
class CeilingOfWorker {
  readonly closed = false
  estimate = INITIAL
  /** Bitrates of all bursts so far. */
  readonly bursts: number[] = []
  #min = 0
  #ceiling = INITIAL
  #probedUpTo = INITIAL

  async setMinOutgoingBitrate(bps: number): Promise<void> {
    this.#min = bps
    this.estimate = Math.max(this.estimate, bps)
  }

  async setMaxOutgoingBitrate(bps: number): Promise<void> {
    const own = Math.max(INITIAL, DESIRED * 1.35)
    const kept = Math.abs(this.#ceiling - own) < own * 0.1 ? this.#ceiling : own
    const before = this.#probedUpTo
    const ceiling = Math.min(bps, kept)
    if (ceiling !== this.#ceiling && this.estimate < ceiling && this.estimate < before)
      this.bursts.push(Math.min(ceiling, before), Math.min(ceiling * 2, before))
    this.#ceiling = this.#probedUpTo = ceiling
    this.estimate = Math.max(this.#min, Math.min(this.estimate, ceiling))
  }
}

function bounded(ceilingKbps = 8000) {
  const worker = new CeilingOfWorker()
  const bounds = new TransportBounds(worker, (error) => {
    throw error
  })
  bounds.ceilingKbps = ceilingKbps
  bounds.pin(900, 1036)
  worker.bursts.length = 0
  return { worker, bounds }
}

test('every probe is two bursts at its goal, whatever was probed for before', (t) => {
  const { worker, bounds } = bounded()
  for (const goal of [5400, 5400, 5430, 5500, 5390, 5410, 5405, 1200, 1210, 5400]) {
    bounds.probe(goal, worker.estimate / 1000)
    t.deepEqual(worker.bursts.splice(0), [goal * 1000, (goal + 1) * 1000], `${goal}`)
  }
})

test('a goal above what the contracts allow is probed for up to there', (t) => {
  const { worker, bounds } = bounded(5000)
  for (let times = 0; times < 3; times++) {
    bounds.probe(5400, worker.estimate / 1000)
    t.deepEqual(worker.bursts.splice(0), [4_999_000, 5_000_000])
  }
})

test('neither pinning the estimate nor keeping it up makes the worker probe', (t) => {
  const { worker, bounds } = bounded()
  bounds.probe(5400, 1036)
  worker.bursts.length = 0
  bounds.keep(1000)
  bounds.pin(300, 380)
  t.is(worker.estimate, 380_000)
  bounds.keep(320)
  t.deepEqual(worker.bursts, [])
})
