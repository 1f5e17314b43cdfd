import type { Arrived, ArrivedPictures } from './trickle-watch.ts'

/** Time between two readings, ms: Chromium repeats the same values for 50 ms. */
const EVERY_MS = 51
/** The best moments for a reading are this long after a picture is whole, and half way to the next picture, ms. */
const AFTER_PICTURE_MS = 2
const NEARLY_MS = 6
/** While nothing is watched closely, the poll looks this often whether something is, ms. */
const IDLE_MS = 500

/** A stream whose packets are watched closely. */
export interface ArrivingStream {
  /** SSRCs of the stream's received media. */
  readonly video: number
  readonly audio: number | null
  /** When a picture was whole, by `performance.now()`, and the time between pictures, ms; null where it is uneven. */
  readonly rhythm: { readonly wholeAt: number; readonly everyMs: number } | null
  arrived(video: ArrivedPictures, sound: Arrived | null): void
}

type Stat = Readonly<Record<string, unknown>>

/** Reads twenty times a second how much of each stream has arrived, while any of them is watched closely. */
export class ArrivalPoll {
  readonly #streams: () => readonly ArrivingStream[]
  readonly #read: () => Promise<RTCStatsReport>
  /** Ids of the statistics by SSRC: a report converts only the entries that are read. */
  readonly #ids = new Map<number, string>()
  #timer: ReturnType<typeof setTimeout>
  #closed = false

  constructor(streams: () => readonly ArrivingStream[], read: () => Promise<RTCStatsReport>) {
    this.#streams = streams
    this.#read = read
    this.#timer = setTimeout(this.#look, IDLE_MS)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  readonly #look = async (): Promise<void> => {
    const begun = performance.now()
    const streams = document.visibilityState === 'visible' ? this.#streams() : []
    // A transport that closes meanwhile reports nothing.
    const report = streams.length > 0 ? await this.#read().catch(() => null) : null
    if (this.#closed) return
    const waitMs = streams.length > 0 ? nextAt(begun, streams[0]!.rhythm) - performance.now() : IDLE_MS
    this.#timer = setTimeout(this.#look, Math.max(1, waitMs))
    if (report === null) return
    for (const stream of streams) {
      const video = this.#inbound(report, stream.video)
      const audio = stream.audio === null ? undefined : this.#inbound(report, stream.audio)
      const arrived = video && arrivedOf(video)
      if (!arrived) continue
      stream.arrived(
        { ...arrived, pictures: numberOf(video, 'framesReceived') },
        audio ? arrivedOf(audio) : null,
      )
    }
  }

  #inbound(report: ReadonlyMap<string, Stat>, ssrc: number): Stat | undefined {
    const known = report.get(this.#ids.get(ssrc) ?? '')
    if (known?.ssrc === ssrc) return known
    for (const [id, stat] of report) {
      if (stat.type !== 'inbound-rtp' || stat.ssrc !== ssrc) continue
      this.#ids.set(ssrc, id)
      return stat
    }
    return undefined
  }
}

/**
 * A slow picture is seen at the end of the first stretch without a whole picture. So a stretch begins as soon as
 * possible after a picture has come.
 */
function nextAt(lastAt: number, rhythm: ArrivingStream['rhythm']): number {
  const earliest = lastAt + EVERY_MS
  if (rhythm === null) return earliest
  const halfMs = rhythm.everyMs / 2
  const sinceMs = (earliest - rhythm.wholeAt - AFTER_PICTURE_MS) % halfMs
  return sinceMs > NEARLY_MS ? earliest + halfMs - sinceMs : earliest
}

/** Null where the browser does not tell when the last packet came. */
function arrivedOf(stat: Stat): Arrived | null {
  const lastPacketAt = numberOf(stat, 'lastPacketReceivedTimestamp')
  if (lastPacketAt === 0) return null
  return {
    at: numberOf(stat, 'timestamp'),
    bytes: numberOf(stat, 'bytesReceived'),
    packets: numberOf(stat, 'packetsReceived'),
    lastPacketAt,
  }
}

function numberOf(stat: Stat, name: string): number {
  const value = stat[name]
  return typeof value === 'number' ? value : 0
}
