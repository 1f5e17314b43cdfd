import { STREAM_CLASSES, type StreamClass } from '../../common/wire/stream.ts'
import { RollingShare } from './rolling-share.ts'

/** The targets of the classes are p95: one report in twenty may miss. */
export const ERROR_BUDGET = 0.05

const SLO_WINDOWS = { '5m': 300_000, '1h': 3_600_000 } as const
export type SloWindow = keyof typeof SLO_WINDOWS

/** A stream is judged by its last half minute, once there are enough reports. */
const STREAM_WINDOW_MS = 30_000
const STREAM_LEAST = 10
/** Service levels need at least this many reports. */
const TENANT_LEAST = 20
/** A viewer counts at most this often, ms, so that no viewer outweighs the others. */
const PER_VIEWER_MS = 500
const MAX_VIEWERS = 100_000
/** A viewer without reports for this long is forgotten, ms. */
const FORGET_MS = 2 * SLO_WINDOWS['1h']

export interface Watched {
  readonly tenantId: string
  readonly streamId: string
  readonly streamClass: StreamClass
  /** The viewer, unique in the tenant. */
  readonly viewer: string
}

export interface ServiceLevel {
  readonly tenantId: string
  readonly streamClass: StreamClass
  readonly targetMs: number
  /** Number of reports in the last five minutes. */
  readonly count: number
  /** How fast the error budget is used up: 1 just meets the target, 20 always misses it. null: too few reports. */
  readonly burn: number | null
}

interface Level {
  readonly tenantId: string
  readonly streamClass: StreamClass
  readonly windows: Readonly<Record<SloWindow, RollingShare>>
  newest: number
}

interface StreamLevel {
  readonly tenantId: string
  readonly streamId: string
  readonly share: RollingShare
  newest: number
}

/** Glass to glass as viewers measured it, compared with the target of the class: by tenant and class, and by stream. */
export class SloTracker {
  readonly #targetMs: (tenantId: string, streamClass: StreamClass) => number | null
  readonly #levels = new Map<string, Level>()
  readonly #streams = new Map<string, StreamLevel>()
  readonly #viewers = new Map<string, number>()

  /** @param targetMs p95 target of a class for a tenant, ms; null where there is none */
  constructor(targetMs: (tenantId: string, streamClass: StreamClass) => number | null) {
    this.#targetMs = targetMs
  }

  /** @param at Unix ms by the hub's clock */
  record({ tenantId, streamId, streamClass, viewer }: Watched, glassToGlassMs: number, at: number): void {
    const target = this.#targetMs(tenantId, streamClass)
    if (target === null || !this.#counts(`${tenantId}/${streamId}/${viewer}`, at)) return
    const bad = glassToGlassMs > target
    const level = this.#level(tenantId, streamClass)
    for (const share of Object.values(level.windows)) share.add(bad, at)
    level.newest = Math.max(level.newest, at)
    const stream = this.#stream(tenantId, streamId)
    stream.share.add(bad, at)
    stream.newest = Math.max(stream.newest, at)
  }

  /** Every class of a tenant with a target and reports. */
  levels(nowMs: number): ServiceLevel[] {
    return [...this.#levels.values()].flatMap(({ tenantId, streamClass, windows }) => {
      const targetMs = this.#targetMs(tenantId, streamClass)
      if (targetMs === null) return []
      const { count, badShare } = windows['5m'].read(nowMs)
      const burn = count < TENANT_LEAST ? null : badShare / ERROR_BUDGET
      return { tenantId, streamClass, targetMs, count, burn }
    })
  }

  /** Burn of each class over all tenants, for the metrics; 0 where nobody reported. */
  burns(nowMs: number): { streamClass: StreamClass; window: SloWindow; burn: number }[] {
    const levels = [...this.#levels.values()]
    return STREAM_CLASSES.flatMap((streamClass) =>
      (['5m', '1h'] as const).map((window) => {
        let [count, bad] = [0, 0]
        for (const level of levels) {
          if (level.streamClass !== streamClass) continue
          const share = level.windows[window].read(nowMs)
          count += share.count
          bad += share.bad
        }
        return { streamClass, window, burn: count === 0 ? 0 : bad / count / ERROR_BUDGET }
      }),
    )
  }

  /** Whether the viewers of a stream see it later now than its class promises. */
  misses(tenantId: string, streamId: string, nowMs: number): boolean {
    const stream = this.#streams.get(`${tenantId}/${streamId}`)
    if (!stream) return false
    const { count, badShare } = stream.share.read(nowMs)
    return count >= STREAM_LEAST && badShare > ERROR_BUDGET
  }

  /** Forgets viewers and streams that are gone. Call it each second or so. */
  sweep(nowMs: number): void {
    for (const [key, { newest }] of this.#levels) if (nowMs - newest > FORGET_MS) this.#levels.delete(key)
    for (const [key, { newest }] of this.#streams) {
      if (nowMs - newest > 2 * STREAM_WINDOW_MS) this.#streams.delete(key)
    }
    // Ordered by newest report: the first viewer that may stay ends the search.
    for (const [key, at] of this.#viewers) {
      if (nowMs - at <= PER_VIEWER_MS) break
      this.#viewers.delete(key)
    }
  }

  #counts(viewer: string, at: number): boolean {
    const last = this.#viewers.get(viewer)
    if (last !== undefined && at - last < PER_VIEWER_MS) return false
    if (last === undefined && this.#viewers.size >= MAX_VIEWERS) return false
    this.#viewers.delete(viewer)
    this.#viewers.set(viewer, at)
    return true
  }

  #level(tenantId: string, streamClass: StreamClass): Level {
    const key = `${tenantId}/${streamClass}`
    let level = this.#levels.get(key)
    if (!level) {
      const windows = {
        '5m': new RollingShare(SLO_WINDOWS['5m'], 30),
        '1h': new RollingShare(SLO_WINDOWS['1h'], 60),
      }
      level = { tenantId, streamClass, windows, newest: Number.NEGATIVE_INFINITY }
      this.#levels.set(key, level)
    }
    return level
  }

  #stream(tenantId: string, streamId: string): StreamLevel {
    const key = `${tenantId}/${streamId}`
    let stream = this.#streams.get(key)
    if (!stream) {
      const share = new RollingShare(STREAM_WINDOW_MS, 6)
      stream = { tenantId, streamId, share, newest: Number.NEGATIVE_INFINITY }
      this.#streams.set(key, stream)
    }
    return stream
  }
}
