import { z } from 'zod'
import type { NodeReport } from '../../../common/wire/node-report.ts'

/*
 * The protocol of gpsd(8), gpsd_json(5): lines of JSON over TCP. Only reports of time, position and velocity are read.
 */

export type Position = NonNullable<NodeReport['position']>

/** Asks gpsd for its reports from now on. */
export const WATCH = '?WATCH={"enable":true,"json":true};\n'
/** Longest line that is read, bytes: gpsd itself writes no longer ones than a tenth. */
export const MOST_LINE_BYTES = 100_000

/** Mode of a report: 2 has a position, 3 an altitude as well. */
const FIX_2D = 2
const FIX_3D = 3
/** A position that moved less than this, or is younger than that, is no news: metres, ms. */
const NEWS = { metres: 10, ms: 30_000 } as const
const EARTH_METRES = 6_371_000

const reportSchema = z.object({
  class: z.literal('TPV'),
  mode: z.int(),
  time: z.iso.datetime().optional(),
  lat: z.number().min(-90).max(90).optional(),
  lon: z.number().min(-180).max(180).optional(),
  /** Above mean sea level, m; `alt` of gpsd before 3.20. */
  altMSL: z.number().optional(),
  alt: z.number().optional(),
  speed: z.number().min(0).optional(),
})

/** What a line says: a position, null for none known, undefined where the line says nothing about it. */
export function positionIn(line: string, nowMs: number): Position | null | undefined {
  const report = reportSchema.safeParse(parsed(line)).data
  if (!report) return undefined
  const { mode, lat, lon, time, speed } = report
  if (mode < FIX_2D || lat === undefined || lon === undefined) return null
  const altitude = mode >= FIX_3D ? (report.altMSL ?? report.alt ?? null) : null
  return {
    latitude: lat,
    longitude: lon,
    altitude_m: altitude,
    speed_mps: speed ?? null,
    at: time === undefined ? nowMs : Date.parse(time),
  }
}

/** Whether a position is worth telling after the one that was told last. */
export function isNews(before: Position | null | undefined, now: Position | null): boolean {
  if (!before || !now) return before !== now
  return Math.abs(now.at - before.at) >= NEWS.ms || metresBetween(before, now) >= NEWS.metres
}

/** On a sphere, by the haversine formula. */
function metresBetween(one: Position, other: Position): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const half = (from: number, to: number): number => Math.sin(radians(to - from) / 2) ** 2
  const across =
    half(one.latitude, other.latitude) +
    Math.cos(radians(one.latitude)) * Math.cos(radians(other.latitude)) * half(one.longitude, other.longitude)
  return 2 * EARTH_METRES * Math.asin(Math.min(1, Math.sqrt(across)))
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
