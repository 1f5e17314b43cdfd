import { CodedError } from '../../common/errors.ts'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'

/** Who reports, as far as the intake must know. */
export interface Reporter {
  /** null for the hub's own, shared nodes. */
  readonly tenantId: string | null
  /** Whom limits count by, and whose clock the reports' times are of. */
  readonly key: string
  readonly kind: 'node' | 'publisher' | 'viewer'
  /** Set where the reporter is a node of the directory. */
  readonly nodeId: string | null
}

/** Works one report in. It must not wait. @returns how that went, as metrics name it */
export type ApplyReport = (reporter: Reporter, report: TelemetryReport, receivedAt: number) => string

export interface IntakeOptions {
  readonly apply: ApplyReport
  /** Unix milliseconds. */
  readonly now: () => number
  /** Called with how many reports of a slice went which way, by outcome. */
  readonly counted: (outcomes: ReadonlyMap<string, number>) => void
  /** A batch was turned away because the queue is full. */
  readonly refused: () => void
  /** `apply` threw: a bug. */
  readonly failed: (error: unknown) => void
  /** Reports that may wait. */
  readonly capacity?: number
  /** Longest stretch of work before others on the event loop have their turn, ms. */
  readonly sliceMs?: number
  /** Calls back once everything else that is due on the event loop has had its turn. */
  readonly soon?: (work: () => void) => void
}

export const INTAKE_DEFAULTS = { capacity: 20_000, sliceMs: 2 } as const

/** Share of the queue that one tenant can fill, so that its flood alone never turns others away. */
const TENANT_SHARE = 0.5
/** Reports of one tenant before the next tenant has its turn. */
const TURN = 50
/** Reports between two looks at the clock. */
const STRIDE = 10
/** How fast the queue drains as long as nobody measured, reports/s. */
const ASSUMED_RATE = 50_000
const LONGEST_RETRY_S = 30

/** A queue is full: come again in `retryAfterSeconds` (RFC 9110 section 10.2.3). */
export class TelemetrySaturated extends CodedError {
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number, waiting: number) {
    super('telemetry_saturated', `${waiting} reports wait to be worked in`, {
      status: 429,
      details: [
        `the whole batch was left out: send it again in ${retryAfterSeconds} s, or what is newest then`,
      ],
    })
    this.retryAfterSeconds = retryAfterSeconds
  }
}

interface Batch {
  readonly reporter: Reporter
  readonly reports: readonly TelemetryReport[]
  readonly receivedAt: number
  next: number
}

interface Lane {
  batches: Batch[]
  /** Batches at the front that are worked in: taking each off an array would move all the others. */
  done: number
  waiting: number
}

/** Worked-in batches that may stand at the front of a lane. */
const MOST_DONE = 256

/**
 * Takes reports at once and works them in later, in slices so short that media and requests never wait for them.
 * Each tenant has a lane of its own; lanes take turns.
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

  /** Reports that wait. */
  get waiting(): number {
    return this.#waiting
  }

  get capacity(): number {
    return this.#options.capacity
  }

  /**
   * Takes a batch in as a whole, or nothing of it.
   * @throws TelemetrySaturated (429)
   */
  accept(reporter: Reporter, reports: readonly TelemetryReport[]): void {
    const { capacity, now, refused } = this.#options
    const name = reporter.tenantId ?? ''
    const lane = this.#lanes.get(name)
    const ofTenant = (lane?.waiting ?? 0) + reports.length
    const full = this.#waiting + reports.length > capacity || ofTenant > capacity * TENANT_SHARE
    if (this.#closed || full) {
      refused()
      throw new TelemetrySaturated(this.#retryAfter(), this.#waiting)
    }
    const batch = { reporter, reports, receivedAt: now(), next: 0 }
    if (lane) {
      lane.batches.push(batch)
      lane.waiting = ofTenant
    } else this.#lanes.set(name, { batches: [batch], done: 0, waiting: ofTenant })
    this.#waiting += reports.length
    this.#schedule()
  }

  /** What waits is dropped: nobody is there to use it. */
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
      // To the back of the line; it leaves it once it is empty.
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

  /** What the queue takes to drain, in whole seconds. */
  #retryAfter(): number {
    const seconds = this.#waiting / (this.#pace * 1000)
    return Math.min(LONGEST_RETRY_S, Math.max(1, Math.ceil(seconds)))
  }
}
