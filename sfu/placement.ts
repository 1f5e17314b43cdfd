import { CodedError } from '../common/errors.ts'
import type { Saturation } from '../policy/capacity.ts'
import { WORKER_CPU_CEILING } from '../policy/capacity.ts'
import type { WorkerLoad } from '../policy/worker-moves.ts'
import type { ConsumerCensus } from './consumer-census.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** Consumers of a viewer of one stream with sound. A place counts this much until its consumers exist. */
const CONSUMERS_OF_A_VIEWER = 2
/** Weight of a lane when streams are spread: viewers will come to it, even if there are none yet. */
const CONSUMERS_OF_A_LANE = 10
/**
 * A worker to which the stream would have to be piped must be this much less loaded, as a share of its room: a pipe
 * costs a consumer there, a producer here, and every packet twice.
 */
const WORTH_A_PIPE = 0.25

export interface PlacementOptions {
  /** The intended number of workers. */
  readonly size: number
  /** The workers that are up. */
  readonly slots: () => readonly WorkerSlot[]
  readonly census: Pick<ConsumerCensus, 'consumersOn'>
  /** A worker's share of a core, 0 to 1. */
  readonly cpuOf: (slot: WorkerSlot) => number
  /** Most consumers on one worker, 1 or more. */
  readonly consumersPerWorker: number
}

/** A viewer's place on a worker, until the place is given back. */
export interface Place extends Disposable {
  readonly slot: WorkerSlot
}

/** Which worker a lane or a viewer goes to, by the load of the workers, and whether there is room at all. */
export class Placement {
  readonly #options: PlacementOptions
  readonly #places = new WeakMap<WorkerSlot, number>()

  constructor(options: PlacementOptions) {
    this.#options = options
  }

  get consumersPerWorker(): number {
    return this.#options.consumersPerWorker
  }

  /** Number of viewers with a place on a worker. */
  viewersOn(slot: WorkerSlot): number {
    return this.#places.get(slot) ?? 0
  }

  /**
   * For a new stream's lane: the least loaded worker, full or not; undefined while none is up.
   * @param lanesOn number of lanes that live on a worker or are promised to it; none by default
   */
  forLane(lanesOn: (slot: WorkerSlot) => number = () => 0): WorkerSlot | undefined {
    const { consumersPerWorker } = this.#options
    return least(this.#options.slots(), (slot) => {
      return this.#load(slot) + (lanesOn(slot) * CONSUMERS_OF_A_LANE) / consumersPerWorker
    })
  }

  /**
   * A place for a viewer: on a worker that has its stream, unless another worker with room is clearly less loaded.
   * @param has whether the stream is on a worker already
   * @throws CodedError `no_worker` (503) while a worker with room is away, `saturated` (503) when all are full
   */
  takeForViewer(has: (slot: WorkerSlot) => boolean): Place {
    const withRoom = this.#options.slots().filter((slot) => this.#fullness(slot) === null)
    const slot = least(withRoom, (slot) => this.#load(slot) + (has(slot) ? 0 : WORTH_A_PIPE))
    if (!slot) throw this.#refusal()
    return this.#take(slot)
  }

  /** A place on that worker for a viewer that moves there; null where the worker is gone or full. */
  takeOn(index: number): Place | null {
    const slot = this.#options.slots().find((each) => each.index === index)
    return slot && this.#fullness(slot) === null ? this.#take(slot) : null
  }

  /** The load of each worker that is up. */
  loads(): WorkerLoad[] {
    return this.#options.slots().map((slot) => ({ index: slot.index, load: this.#load(slot) }))
  }

  #take(slot: WorkerSlot): Place {
    this.#places.set(slot, this.viewersOn(slot) + 1)
    let taken = true
    return {
      slot,
      [Symbol.dispose]: () => {
        if (taken) this.#places.set(slot, this.viewersOn(slot) - 1)
        taken = false
      },
    }
  }

  /** What keeps one more viewer from every worker; null while there is room, or while a worker is coming back. */
  saturation(): Saturation | null {
    const full = this.#options.slots().map((slot) => this.#fullness(slot))
    if (full.length < this.#options.size || full.includes(null)) return null
    const [first] = full
    return { resource: first!.resource, words: full.map((each) => each!.words).join(', ') }
  }

  #refusal(): CodedError {
    const full = this.saturation()
    return full
      ? new CodedError('saturated', 'every media worker is full; try again in a few seconds', {
          details: [`${full.resource}: ${full.words}`],
        })
      : new CodedError('no_worker', 'a media worker is being restarted; try again in a second')
  }

  #fullness(slot: WorkerSlot): Saturation | null {
    const { consumersPerWorker, cpuOf } = this.#options
    const consumers = this.#consumers(slot)
    if (consumers + CONSUMERS_OF_A_VIEWER > consumersPerWorker)
      return {
        resource: 'worker_consumers',
        words: `worker ${slot.index}: ${consumers} of ${consumersPerWorker} consumers`,
      }
    const cpu = cpuOf(slot)
    if (cpu >= WORKER_CPU_CEILING)
      return {
        resource: 'worker_cpu',
        words: `worker ${slot.index}: ${Math.round(cpu * 100)} % of a core, ceiling ${WORKER_CPU_CEILING * 100} %`,
      }
    return null
  }

  /** The used share of a worker's room: of consumers or of CPU, whichever is higher. */
  #load(slot: WorkerSlot): number {
    const { consumersPerWorker, cpuOf } = this.#options
    return Math.max(this.#consumers(slot) / consumersPerWorker, cpuOf(slot) / WORKER_CPU_CEILING)
  }

  /** Number of consumers, with those of viewers that are just joining. */
  #consumers(slot: WorkerSlot): number {
    return Math.max(
      this.#options.census.consumersOn(slot.worker),
      this.viewersOn(slot) * CONSUMERS_OF_A_VIEWER,
    )
  }
}

function least(slots: readonly WorkerSlot[], load: (slot: WorkerSlot) => number): WorkerSlot | undefined {
  return slots.toSorted((a, b) => load(a) - load(b))[0]
}
