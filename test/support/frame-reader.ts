import type { Page } from 'playwright-core'
import { type CardReader, installCardReader } from './card-reader-in-page.ts'

/** What was seen of one frame; times in ms. */
export interface ReadFrame {
  /** `performance.now()` at which the frame was given to the compositor. */
  readonly presentedAt: number
  /** Unix ms, by this machine's clock, when the callback for the frame ran. */
  readonly shownUnixMs: number
  /**
   * Wall clock when the callback ran minus the wall clock in the frame; null if the frame's clock could not be read.
   */
  readonly latencyMs: number | null
  /** The same for the moment at which the browser expects the frame to be visible. */
  readonly displayLatencyMs: number | null
  readonly rtpTimestamp: number | null
}

/** What a reader saw between its start (or last `take`) and now. */
export interface FrameReading {
  readonly frames: readonly ReadFrame[]
  /** Frames that were presented without a callback: the page was too busy to look. */
  readonly missed: number
  /** Frames whose barcode is no barcode: wrong calibration cells or checksum. */
  readonly undecodable: number
  /** Wall-clock latency of each frame read, in order, in ms. */
  readonly latenciesMs: readonly number[]
  /** Between one frame and the next, in ms. */
  readonly intervalsMs: readonly number[]
  /** Freezes (W3C webrtc-stats, `freezeCount`) and their lengths in ms, one that still lasts included. */
  readonly freezesMs: readonly number[]
  /** Mean time it took to read one frame, in ms. */
  readonly readingMs: number
}

interface RawReading {
  frames: ReadFrame[]
  missed: number
  readingMs: number
  now: number
}

/** Reads the wall clock in each frame that a page's `<video>` shows. */
export interface FrameReader extends AsyncDisposable {
  /** Everything since the start or the last `take`; the reader goes on. */
  take(): Promise<FrameReading>
}

/**
 * Starts to read the frames of the first element that matches `selector`. The page's clock must be this machine's:
 * latency is the wall clock now minus the one in the picture, modulo 2^32 ms.
 */
export async function readFrames(page: Page, selector = 'video'): Promise<FrameReader> {
  await installCardReader(page)
  const handle = await page.evaluateHandle(frameReaderInPage, selector)
  let last: ReadFrame | null = null
  return {
    async take() {
      const raw: RawReading = await handle.evaluate((reader) => reader.take())
      const reading = summary(raw, last)
      last = raw.frames.at(-1) ?? last
      return reading
    },
    async [Symbol.asyncDispose]() {
      // The page may be gone already, and the reader with it.
      await handle.evaluate((reader) => reader.stop()).catch(() => {})
      await handle.dispose().catch(() => {})
    },
  }
}

/** The value below which `share` (0 to 1) of the values lie; NaN for an empty list. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

function summary(raw: RawReading, before: ReadFrame | null): FrameReading {
  const { frames, missed, readingMs, now } = raw
  const times = [...(before ? [before] : []), ...frames].map((frame) => frame.presentedAt)
  const intervalsMs = times.slice(1).map((at, index) => at - times[index]!)
  return {
    frames,
    missed,
    undecodable: frames.filter((frame) => frame.latencyMs === null).length,
    latenciesMs: frames.flatMap((frame) => frame.latencyMs ?? []),
    intervalsMs,
    freezesMs: freezes(times.length > 0 ? [...intervalsMs, now - times.at(-1)!] : []),
    readingMs,
  }
}

/**
 * Intervals that count as freezes: at least three times the mean of the last 30, and at least 150 ms above it. A freeze
 * is left out of the mean that follows, so that two in a row are two.
 */
export function freezes(intervalsMs: readonly number[]): number[] {
  const recent: number[] = []
  const found: number[] = []
  for (const interval of intervalsMs) {
    const mean = recent.reduce((sum, value) => sum + value, 0) / recent.length
    if (recent.length > 0 && interval >= Math.max(3 * mean, mean + 150)) {
      found.push(interval)
      continue
    }
    recent.push(interval)
    if (recent.length > 30) recent.shift()
  }
  return found
}

/** Runs in the page and must therefore stand on its own. */
function frameReaderInPage(selector: string) {
  const { readCard } = globalThis as unknown as { readCard: CardReader }
  const video = document.querySelector<HTMLVideoElement>(selector)
  if (video === null) throw new Error(`there is no ${selector} in the page`)
  let frames: ReadFrame[] = []
  let missed = 0
  let presented = 0
  let spentMs = 0
  let stopped = false
  let reading: Promise<void> = Promise.resolve()

  const readClock = async (): Promise<number | null> => {
    const frame = new VideoFrame(video)
    try {
      return (await readCard(frame, false)).clock
    } finally {
      frame.close()
    }
  }

  const readFrame = async (wallMs: number, metadata: VideoFrameCallbackMetadata) => {
    const readingFrom = performance.now()
    const clock = await readClock()
    spentMs += performance.now() - readingFrom
    // The difference as a signed 32-bit number is right across the wrap.
    const latencyMs = clock === null ? null : ((wallMs % 2 ** 32) - clock) | 0
    frames.push({
      presentedAt: metadata.presentationTime,
      shownUnixMs: wallMs,
      latencyMs,
      displayLatencyMs: latencyMs === null ? null : latencyMs + (metadata.expectedDisplayTime - readingFrom),
      rtpTimestamp: metadata.rtpTimestamp ?? null,
    })
  }

  const onFrame = (_now: number, metadata: VideoFrameCallbackMetadata) => {
    if (stopped) return
    const wallMs = Date.now()
    video.requestVideoFrameCallback(onFrame)
    if (presented > 0) missed += Math.max(0, metadata.presentedFrames - presented - 1)
    presented = metadata.presentedFrames
    const before = reading
    const now = readFrame(wallMs, metadata)
    reading = before.then(() => now)
  }
  video.requestVideoFrameCallback(onFrame)

  return {
    take: async () => {
      await reading
      const taken = {
        frames,
        missed,
        readingMs: frames.length === 0 ? 0 : spentMs / frames.length,
        now: performance.now(),
      }
      frames = []
      missed = 0
      spentMs = 0
      return taken
    },
    stop: () => {
      stopped = true
    },
  }
}
