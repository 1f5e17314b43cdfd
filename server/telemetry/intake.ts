import { CodedError } from '../../common/errors.ts'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'

/** The sender of reports, as far as the intake must know. */
export interface Reporter {
  /** null for shared nodes of the hub itself. */
  readonly tenantId: string | null
  /** The key for limits and for the clock of the reports' times. */
  readonly key: string
  readonly kind: 'node' | 'publisher' | 'viewer'
  /** Set where the reporter is a node of the directory. */
  readonly nodeId: string | null
}

/** Evaluates one report, without waiting. @returns the outcome, as metrics name it */
export type ApplyReport = (reporter: Reporter, report: TelemetryReport, receivedAt: number) => string

export interface IntakeOptions {
  readonly apply: ApplyReport
  /** Unix milliseconds. */
  readonly now: () => number
  /** Called with the number of reports of a slice, by outcome. */
  readonly counted: (outcomes: ReadonlyMap<string, number>) => void
  /** A batch was refused because the queue is full. */
  readonly refused: () => void
  /** `apply` threw: a bug. */
  readonly failed: (error: unknown) => void
  /** Most reports that wait. */
  readonly capacity?: number
  /** Longest work before others on the event loop have their turn, ms. */
  readonly sliceMs?: number
  /** Calls back after everything else that is due on the event loop has had its turn. */
  readonly soon?: (work: () => void) => void
}

export const INTAKE_DEFAULTS = { capacity: 20_000, sliceMs: 2 } as const

/** Largest share of the queue for one tenant, so that its flood alone never keeps others out. */
const TENANT_SHARE = 0.5
/** Reports of one tenant before the next tenant has its turn. */
const TURN = 50
/** Reports between two looks at the clock. */
const STRIDE = 10
/** Assumed speed of the queue until there is a measurement, reports/s. */
const ASSUMED_RATE = 50_000
const LONGEST_RETRY_S = 30

interface Batch {
  readonly reporter: Reporter
  readonly reports: readonly TelemetryReport[]
  readonly receivedAt: number
  next: number
}

interface Lane {
  batches: Batch[]
  /** Number of finished batches at the front of the lane: to remove each from the array would move all others. */
  done: number
  waiting: number
}

/** Most finished batches at the front of a lane. */
const MOST_DONE = 256

/**
 * Takes reports at once and evaluates them later, in slices so short that media and requests never wait for them. Each
 * tenant has its own lane; lanes take turns.
 */
export class TelemetryIntake implements Disposable {
  readonly #options: Required<IntakeOptions>
  readonly #lanes = new Map<string, Lane>()
  #waiting = 0
  #scheduled = false
  #closed = false
  /** Reports per ms of work, smoothed. */
  #pace = ASSUMED_RATE / 1000

  constructor(options: IntakeOptions) {
    this.#options = { ...INTAKE_DEFAULTS, soon: (work) => setImmediate(work), ...options }
  }

  /** Number of waiting reports. */
  get waiting(): number {
    return this.#waiting
  }

  get capacity(): number {
    return this.#options.capacity
  }

  /**
   * Takes a whole batch, or nothing of it.
   * @throws CodedError `telemetry_saturated`, with when to come again (RFC 9110 section 10.2.3)
   */
  accept(reporter: Reporter, reports: readonly TelemetryReport[]): void {
    const { capacity, now, refused } = this.#options
    const name = reporter.tenantId ?? ''
    const lane = this.#lanes.get(name)
    const ofTenant = (lane?.waiting ?? 0) + reports.length
    const full = this.#waiting + reports.length > capacity || ofTenant > capacity * TENANT_SHARE
    if (this.#closed || full) {
      refused()
      const retryAfterSeconds = this.#retryAfter()
      throw new CodedError('telemetry_saturated', `${this.#waiting} reports wait`, {
        retryAfterSeconds,
        details: [
          `nothing of the batch was taken: send it again in ${retryAfterSeconds} s, or what is newest then`,
        ],
      })
    }
    const batch = { reporter, reports, receivedAt: now(), next: 0 }
    if (lane) {
      lane.batches.push(batch)
      lane.waiting = ofTenant
    } else this.#lanes.set(name, { batches: [batch], done: 0, waiting: ofTenant })
    this.#waiting += reports.length
    this.#schedule()
  }

  /** Drops waiting reports: nobody is left to use them. */
  [Symbol.dispose](): void {
    this.#closed = true
    this.#lanes.clear()
    this.#waiting = 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting === 0) return
    this.#scheduled = true
    this.#options.soon(() => {
      this.#scheduled = false
      this.#slice()
      this.#schedule()
    })
  }

  #slice(): void {
    const { sliceMs, counted } = this.#options
    const outcomes = new Map<string, number>()
    const startedAt = performance.now()
    let done = 0
    let elapsed = 0
    while (elapsed < sliceMs && this.#waiting > 0) {
      const [name, lane] = this.#lanes.entries().next().value!
      // Moves the lane to the end of the line. An empty lane leaves the line.
      this.#lanes.delete(name)
      for (let turn = 0; turn < TURN && lane.waiting > 0 && elapsed < sliceMs; turn += STRIDE) {
        done += this.#work(lane, outcomes)
        elapsed = performance.now() - startedAt
      }
      if (lane.waiting > 0) this.#lanes.set(name, lane)
    }
    if (elapsed > 0.1) this.#pace = 0.8 * this.#pace + 0.2 * (done / elapsed)
    if (outcomes.size > 0) counted(outcomes)
  }

  #work(lane: Lane, outcomes: Map<string, number>): number {
    const { apply, failed } = this.#options
    let done = 0
    for (; done < STRIDE && lane.waiting > 0; done += 1) {
      const batch = lane.batches[lane.done]!
      const report = batch.reports[batch.next]!
      batch.next += 1
      if (batch.next === batch.reports.length) lane.done += 1
      lane.waiting -= 1
      this.#waiting -= 1
      let outcome = 'failed'
      try {
        outcome = apply(batch.reporter, report, batch.receivedAt)
      } catch (error) {
        failed(error)
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    if (lane.done > MOST_DONE) {
      lane.batches = lane.batches.slice(lane.done)
      lane.done = 0
    }
    return done
  }

  /** Time until the queue is empty, in whole seconds. */
  #retryAfter(): number {
    const seconds = this.#waiting / (this.#pace * 1000)
    return Math.min(LONGEST_RETRY_S, Math.max(1, Math.ceil(seconds)))
  }
}
