import { Lane } from '../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../sfu/lane/lane-identity.ts'
import type { Placement } from '../../sfu/placement.ts'
import { Stream } from '../../sfu/stream.ts'
import type { WorkerPool } from '../../sfu/worker-pool.ts'
import { LaneSource } from './lane-source.ts'
import { openRelays } from './local-relays.ts'
import { recordEvents } from './recorded-events.ts'

export interface LaneStreamOptions {
  readonly pool: WorkerPool
  readonly placement: Placement
  readonly streamId: string
  readonly renditions: number
}

/** A stream with pictures of a few bytes and without an ingress process. */
export interface LaneStream extends AsyncDisposable {
  readonly stream: Stream
  readonly lane: Lane
  readonly source: LaneSource
}

export async function openLaneStream(options: LaneStreamOptions): Promise<LaneStream> {
  const { pool, placement, streamId, renditions } = options
  const stream = new Stream(
    { tenantId: 'default', streamId, streamClass: 'focus' },
    { placement, relays: await openRelays(), census: pool.census, events: recordEvents().events },
  )
  const source = await LaneSource.open()
  const slot = stream.home()!
  const lane = await Lane.open(slot, { renditions, audio: true }, new LaneIdentity(streamId), source.port)
  source.feed(lane)
  const { producers } = lane
  stream.attach(() => ({
    get media() {
      return lane.alive ? { slot, producers } : null
    },
    demanded: () => {},
    workerReplaced: () => {},
    async [Symbol.asyncDispose]() {
      source[Symbol.dispose]()
      lane.close()
    },
  }))
  return { stream, lane, source, [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]() }
}
