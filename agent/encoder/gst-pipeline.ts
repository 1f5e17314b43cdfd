import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../common/errors.ts'
import {
  type GstPointer,
  isKeyframe,
  loadGstreamer,
  MESSAGES_OF_THE_END,
  onThread,
  type PipelineEnd,
  readEnd,
  readError,
  runningTimeOf,
  STATE_NULL,
  STATE_PLAYING,
  setBufferPts,
  TIME_NONE,
} from './gstreamer.ts'

/** How long a thread waits before it checks whether the pipeline is over, ns: the process can't end before. */
const WAIT_NS = 250_000_000n
/** How long is waited for the reason of a failed start, ms: most elements give one at once. */
const NO_REASON_MS = 500

/** What a sink got. It is valid until the call that took it returns. */
export interface PulledBuffer {
  readonly buffer: GstPointer
  /** Time of capture or of presentation, Unix ns. */
  readonly unixNs: bigint
  readonly keyframe: boolean
  /** Caps in GStreamer's words: the same text as long as they stay the same. */
  readonly caps: string
  /** A copy of the content. */
  read(): Buffer
}

/**
 * A GStreamer pipeline from `gst-launch` words to disposal. It runs on the wall clock: its times are Unix time in
 * nanoseconds.
 */
export class GstPipeline implements AsyncDisposable {
  readonly #gst = loadGstreamer()
  readonly #pipeline: GstPointer
  readonly #elements = new Map<string, GstPointer>()
  readonly #pulling: Promise<void>[] = []
  readonly #watching: Promise<void>
  readonly #baseNs: bigint
  /** A sink that was not started yet says that it is over. */
  readonly #played = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<PipelineEnd>()
  #disposal: Promise<void> | null = null

  /**
   * @param words elements and links; text from outside does not belong here, but to {@link setText}
   * @param baseNs Unix time at which the pipeline's own time is 0, ns: 0n for live sources, which stamp Unix time; now for
   * a file, which is to play from now on
   * @throws CodedError `gstreamer_failed` for words that GStreamer refuses
   */
  constructor(words: string, baseNs = 0n) {
    const gst = this.#gst
    const error: [GstPointer | null] = [null]
    const made: GstPointer | null = gst.parseLaunch(words, error)
    if (made === null || error[0] !== null)
      throw new CodedError('gstreamer_failed', `GStreamer refuses the pipeline: ${readError(error[0])}`)
    this.#pipeline = made
    this.#baseNs = baseNs
    const clock = gst.systemClock()
    gst.setArg(clock, 'clock-type', 'realtime')
    gst.useClock(made, clock)
    gst.setStartTime(made, TIME_NONE)
    gst.setBaseTime(made, baseNs)
    this.#watching = this.#watch(gst.getBus(made))
  }

  /** How the pipeline ended by itself. Pending while it runs, and after it was closed. */
  get ended(): Promise<PipelineEnd> {
    return this.#ended.promise
  }

  /** @throws CodedError `gstreamer_failed` where an element does not start */
  async play(): Promise<void> {
    const FAILURE = 0
    const outcome = await onThread(this.#gst.setState, this.#pipeline, STATE_PLAYING)
    this.#played.resolve()
    if (outcome !== FAILURE) return
    const silent = delay(NO_REASON_MS, 'an element does not start', { ref: false })
    const reason = await Promise.race([this.ended.then((end) => end.reason), silent])
    throw new CodedError('gstreamer_failed', reason)
  }

  /** Sets a property in the words of `gst-launch`. */
  set(element: string, property: string, value: string): void {
    if (!this.#disposal) this.#gst.setArg(this.#element(element), property, value)
  }

  /** Sets a property that is text, whatever the text holds. */
  setText(element: string, property: string, value: string): void {
    if (!this.#disposal)
      this.#gst.setText(this.#element(element), property, 'const char *', value, 'void *', null)
  }

  /** Gives an `appsrc` a copy of `data`, captured at `unixNs`. */
  pushData(element: string, data: Buffer, unixNs: bigint): void {
    if (this.#disposal) return
    const buffer: GstPointer = this.#gst.bufferNew(null, data.length, null)
    this.#gst.bufferFill(buffer, 0, data, data.length)
    setBufferPts(buffer, unixNs)
    this.#gst.pushBuffer(this.#element(element), buffer)
  }

  /** Gives an `appsrc` a buffer of the caller's own, which is GStreamer's from now on. */
  pushBuffer(element: string, buffer: GstPointer): void {
    if (this.#disposal) this.#gst.miniObjectUnref(buffer)
    else this.#gst.pushBuffer(this.#element(element), buffer)
  }

  /** Asks everything before this element for an IDR. */
  requestKeyframe(element: string): void {
    if (this.#disposal) return
    this.#gst.sendEvent(this.#element(element), this.#gst.forceKeyUnit(TIME_NONE, 1, 0))
  }

  /** Takes everything that comes to an `appsink`, on a thread of the sink's own. */
  pull(sink: string, take: (pulled: PulledBuffer) => void): void {
    this.#pulling.push(this.#pull(this.#element(sink), take))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose()
    return this.#disposal
  }

  async #dispose(): Promise<void> {
    this.#played.resolve()
    await onThread(this.#gst.setState, this.#pipeline, STATE_NULL)
    await Promise.all([...this.#pulling, this.#watching])
    for (const element of this.#elements.values()) this.#gst.objectUnref(element)
    this.#gst.objectUnref(this.#pipeline)
  }

  #element(name: string): GstPointer {
    const known = this.#elements.get(name)
    if (known !== undefined) return known
    const found: GstPointer = this.#gst.binGetByName(this.#pipeline, name)
    this.#elements.set(name, found)
    return found
  }

  async #watch(bus: GstPointer): Promise<void> {
    while (!this.#disposal) {
      const { busPop } = this.#gst
      const message = await onThread<GstPointer | null>(busPop, bus, WAIT_NS, MESSAGES_OF_THE_END)
      if (message === null) continue
      if (!this.#disposal) this.#ended.resolve(readEnd(message))
      this.#gst.miniObjectUnref(message)
      break
    }
    this.#gst.objectUnref(bus)
  }

  async #pull(element: GstPointer, take: (pulled: PulledBuffer) => void): Promise<void> {
    const gst = this.#gst
    await this.#played.promise
    let caps: GstPointer | null = null
    let text = ''
    while (!this.#disposal) {
      const sample = await onThread<GstPointer | null>(gst.pullSample, element, WAIT_NS)
      if (sample === null) {
        if (gst.isEos(element)) break
        continue
      }
      const now: GstPointer = gst.sampleCaps(sample)
      if (now !== caps) {
        // The reference keeps its address from being used for other caps.
        if (caps !== null) gst.miniObjectUnref(caps)
        caps = gst.miniObjectRef(now) as GstPointer
        text = gst.capsToText(now)
      }
      const buffer: GstPointer = gst.sampleBuffer(sample)
      const running = runningTimeOf(sample, buffer)
      if (running !== null && !this.#disposal)
        take({
          buffer,
          unixNs: this.#baseNs + running,
          keyframe: isKeyframe(buffer),
          caps: text,
          read: () => contentOf(buffer),
        })
      gst.miniObjectUnref(sample)
    }
    if (caps !== null) gst.miniObjectUnref(caps)
  }
}

function contentOf(buffer: GstPointer): Buffer {
  const gst = loadGstreamer()
  const data = Buffer.allocUnsafe(Number(gst.bufferSize(buffer)))
  gst.bufferExtract(buffer, 0, data, data.length)
  return data
}
