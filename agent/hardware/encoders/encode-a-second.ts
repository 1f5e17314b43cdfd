import {
  type GstPointer,
  hasElement,
  loadGstreamer,
  MESSAGES_OF_THE_END,
  onThread,
  readEnd,
  readError,
  STATE_NULL,
  STATE_PLAYING,
} from '../../encoder/gstreamer.ts'
import { encoderWords, type VideoEncoder } from '../../encoder/video-encoders.ts'
import type { EncoderFact } from './probe-protocol.ts'

/** A second of pictures, and the time that the slowest usable encoder may take for it, ms. */
const PICTURES = 30
const WITHIN_MS = 15_000
const WAIT_NS = 250_000_000n
const SETTINGS = { kbps: 3000, gopFrames: PICTURES }
/** Fewer bytes are no pictures: this is a second at 0.1 Mb/s. */
const LEAST_BYTES = 12_500
/** Types of NAL units (H.264, 7.4.1) of which the first access unit must have one each. */
const NEEDED = { 7: 'sequence parameters', 8: 'picture parameters', 5: 'an IDR picture' } as const

/** Encodes a second of pictures, 1280x720, as fast as it goes. What fails is in the fact. */
export async function encodeASecond(element: VideoEncoder): Promise<EncoderFact> {
  if (!hasElement(element)) return failed(element, 'GStreamer has no such element here')
  const gst = loadGstreamer()
  const error: [GstPointer | null] = [null]
  const pipeline: GstPointer | null = gst.parseLaunch(description(element), error)
  if (pipeline === null || error[0] !== null) return failed(element, readError(error[0]))
  try {
    const FAILURE = 0
    const started = await onThread<number>(gst.setState, pipeline, STATE_PLAYING)
    if (started === FAILURE) return failed(element, await endOf(pipeline))
    return await countPictures(element, pipeline)
  } finally {
    await onThread(gst.setState, pipeline, STATE_NULL)
    gst.objectUnref(pipeline)
  }
}

function description(element: VideoEncoder): string {
  const raw = 'video/x-raw,width=1280,height=720,framerate=30/1'
  return [
    `videotestsrc num-buffers=${PICTURES} ! ${raw} ! videoconvert ! ${encoderWords(element, 'encoder', SETTINGS)}`,
    'video/x-h264,stream-format=byte-stream,alignment=au,profile=constrained-baseline',
    'appsink name=out sync=false',
  ].join(' ! ')
}

async function countPictures(element: VideoEncoder, pipeline: GstPointer): Promise<EncoderFact> {
  const gst = loadGstreamer()
  const out: GstPointer = gst.binGetByName(pipeline, 'out')
  const deadline = performance.now() + WITHIN_MS
  let [pictures, bytes, firstAt, lastAt] = [0, 0, 0, 0]
  while (pictures < PICTURES) {
    const sample = await onThread<GstPointer | null>(gst.pullSample, out, WAIT_NS)
    lastAt = performance.now()
    if (sample === null) {
      const message = await onThread<GstPointer | null>(
        gst.busPop,
        gst.getBus(pipeline),
        0n,
        MESSAGES_OF_THE_END,
      )
      if (message !== null)
        return failed(element, `${readEnd(message)} after ${pictures} of ${PICTURES} pictures`)
      if (lastAt > deadline)
        return failed(element, `${pictures} of ${PICTURES} pictures in ${WITHIN_MS / 1000} s`)
      continue
    }
    const buffer: GstPointer = gst.sampleBuffer(sample)
    const unit = Buffer.allocUnsafe(Number(gst.bufferSize(buffer)))
    gst.bufferExtract(buffer, 0, unit, unit.length)
    gst.miniObjectUnref(sample)
    bytes += unit.length
    pictures += 1
    if (pictures > 1) continue
    firstAt = lastAt
    const missing = whatIsMissing(unit)
    if (missing !== null) return failed(element, `the first picture comes without ${missing}`)
  }
  if (bytes < LEAST_BYTES) return failed(element, `${PICTURES} pictures have only ${bytes} bytes`)
  const fps = ((PICTURES - 1) * 1000) / Math.max(1, lastAt - firstAt)
  return { element, works: true, reason: null, fps_720p: Math.round(fps) }
}

/** What the first access unit, Annex B, lacks for a decoder to begin. */
function whatIsMissing(unit: Buffer): string | null {
  const types = new Set<number>()
  for (let at = unit.indexOf('000001', 0, 'hex'); at >= 0; at = unit.indexOf('000001', at + 3, 'hex'))
    types.add((unit[at + 3] ?? 0) & 0x1f)
  return Object.entries(NEEDED).find(([type]) => !types.has(Number(type)))?.[1] ?? null
}

/** Why a pipeline did not start. */
async function endOf(pipeline: GstPointer): Promise<string> {
  const gst = loadGstreamer()
  const message = await onThread<GstPointer | null>(
    gst.busPop,
    gst.getBus(pipeline),
    WAIT_NS,
    MESSAGES_OF_THE_END,
  )
  return message === null ? 'it does not start' : readEnd(message).reason
}

function failed(element: VideoEncoder, reason: string): EncoderFact {
  return { element, works: false, reason: reason.slice(0, 200), fps_720p: null }
}
