import { setTimeout as delay } from 'node:timers/promises'
import { takeReceptions } from '../support/page-reception.ts'
import { takeShown, watchShown } from '../support/shown-pictures.ts'
import { until } from '../support/until.ts'
import { type WatchedOverLink, type Watching, watchOverLink } from './abr-link.ts'
import { rounded } from './bench.ts'

/** How long the narrow link is watched, ms: a freeze counts when the picture after it is shown. */
const WATCHED_MS = 8_000
/** The best layer comes back within this time, ms, and is shown at least this long before the next fall. */
const BACK_WITHIN_MS = 60_000
const REST_MS = 6_000
/**
 * Time between readings, ms. Chromium repeats its values for 50 ms: frequent readings make the page see a queue later.
 */
const READ_EVERY_MS = 500

export interface Fall {
  readonly fromKbps: number
  readonly toKbps: number
  readonly times: number
  /** Lines of the best picture, which must be back before the next fall. */
  readonly lines: number
  /** Each fall comes at a random moment of a stretch of this length. */
  readonly anyMomentOfMs: number
}

/** What falls of a link did to the picture, all falls together; times in ms. */
export interface FallResult {
  readonly from_kbps: number
  readonly kbps: number
  /** Freeze time of each fall (W3C webrtc-stats, `totalFreezesDuration`), in the order of the falls. */
  readonly frozen_ms: readonly number[]
  readonly frozen_p50_ms: number
  readonly frozen_max_ms: number
  /** The longest time without a new picture in each fall: the middle one, and the longest of all. */
  readonly gap_p50_ms: number
  readonly gap_max_ms: number
  /** From the fall until a picture of fewer lines is shown. */
  readonly lower_p50_ms: number
  readonly lower_max_ms: number
}

/** Lets the link fall again and again, each time after the best layer has come back. */
export async function fallOften(
  watching: Watching,
  fall: Fall,
  say: (fall: number) => void,
): Promise<FallResult> {
  const { fromKbps, toKbps, times } = fall
  await using watched = await watchOverLink(watching, fromKbps, { everyMs: READ_EVERY_MS })
  await watchShown(watched.page)
  const seen: OneFall[] = []
  for (let each = 1; each <= times; each++) {
    say(each)
    seen.push(await fallOnce(watched, fall))
  }
  const middle = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
  const frozen = seen.map(({ frozenMs }) => rounded(frozenMs, 0))
  const gaps = seen.map(({ gapMs }) => rounded(gapMs, 0))
  const lower = seen.map(({ lowerMs }) => rounded(lowerMs, 0))
  return {
    from_kbps: fromKbps,
    kbps: toKbps,
    frozen_ms: frozen,
    frozen_p50_ms: middle(frozen),
    frozen_max_ms: Math.max(...frozen),
    gap_p50_ms: middle(gaps),
    gap_max_ms: Math.max(...gaps),
    lower_p50_ms: middle(lower),
    lower_max_ms: Math.max(...lower),
  }
}

interface OneFall {
  readonly frozenMs: number
  readonly gapMs: number
  readonly lowerMs: number
}

async function fallOnce(
  { page, carries }: WatchedOverLink,
  { fromKbps, toKbps, lines, anyMomentOfMs }: Fall,
): Promise<OneFall> {
  await carries(fromKbps)
  const isBest = async () => (await takeShown(page)).at(-1)?.height === lines
  do {
    await until(isBest, 'the best layer', BACK_WITHIN_MS)
    await delay(REST_MS + Math.random() * anyMomentOfMs)
  } while (!(await isBest()))
  await takeReceptions(page)
  await takeShown(page)
  const from = Date.now()
  await carries(toKbps)
  await delay(WATCHED_MS)
  const receptions = await takeReceptions(page)
  const shown = await takeShown(page)
  // The first entry is the last picture before the fall.
  const pictures = shown.slice(Math.max(0, shown.findIndex(({ at }) => at >= from) - 1))
  const gaps = pictures.slice(1).map(({ at }, index) => at - pictures[index]!.at)
  const lowered = pictures.find(({ height }) => height < pictures[0]!.height)
  return {
    frozenMs: receptions.at(-1)!.freezesMs - receptions[0]!.freezesMs,
    gapMs: Math.max(...gaps),
    lowerMs: (lowered?.at ?? Number.POSITIVE_INFINITY) - from,
  }
}
