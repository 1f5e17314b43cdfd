import { Placement } from '../../sfu/placement.ts'
import { WorkerPool } from '../../sfu/worker-pool.ts'
import { recordEvents } from './recorded-events.ts'

/** Workers on free ports of this machine. Nobody hears of their events. */
export function openWorkers(count: number, batchedSends = true): Promise<WorkerPool> {
  const webRtc = { ip: '127.0.0.1', announced: () => '127.0.0.1', basePort: 0 }
  return WorkerPool.open({ count, webRtc, batchedSends, events: recordEvents().events })
}

/** Places on workers that are never busy: only consumers fill them, 1 or more on each. */
export const placementOn = (pool: WorkerPool, consumersPerWorker = 100): Placement =>
  new Placement({
    size: pool.size,
    slots: () => pool.slots,
    census: pool.census,
    cpuOf: () => 0,
    consumersPerWorker,
  })
