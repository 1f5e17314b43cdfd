import koffi from 'koffi'
import { CodedError, messageOf } from '../../common/errors.ts'

/**
 * Bindings of GStreamer 1.20 and later, only what the encoder calls.
 *
 * This rule prevents deadlocks: every call that may wait for a streaming thread (a change of state, a sample, a message
 * of the bus) goes through `.async`, and GStreamer calls nothing here.
 */

/** A C pointer that GStreamer gave out, opaque to us. */
export type GstPointer = bigint

/** `GstState`. */
export const STATE_NULL = 1
export const STATE_PLAYING = 4
/** `GST_CLOCK_TIME_NONE`. */
export const TIME_NONE = 0xffff_ffff_ffff_ffffn
/** `GST_MESSAGE_EOS | GST_MESSAGE_ERROR`. */
export const MESSAGES_OF_THE_END = 0b11

/** `struct _GstBuffer` and the `GstMiniObject` at its start, on 64-bit machines; part of the stable ABI. */
const MINI_OBJECT_FLAGS = 16
const BUFFER_PTS = 72
/** `GST_BUFFER_FLAG_DELTA_UNIT`. */
const DELTA_UNIT = 1 << 13
/** `struct _GstMessage`: after its mini object. */
const MESSAGE_TYPE = 64
const MESSAGE_SOURCE = 80
const MESSAGE_ERROR = 0b10
const BUFFER_DTS = 80
/** `GST_BUFFER_COPY_ALL` without a deep copy: the new buffer shares the old one's memory. */
const COPY_ALL = 0b1111
const WHOLE_SIZE = 0xffff_ffff_ffff_ffffn
/** `GST_FORMAT_TIME`. */
const FORMAT_TIME = 3

function bind() {
  const core = koffi.load('libgstreamer-1.0.so.0')
  const app = koffi.load('libgstapp-1.0.so.0')
  const video = koffi.load('libgstvideo-1.0.so.0')
  const objects = koffi.load('libgobject-2.0.so.0')
  const free = koffi.load('libglib-2.0.so.0').func('void g_free(void *memory)')
  const ownedText = koffi.disposable('str', free)
  return {
    setText: objects.func('void g_object_set(void *object, const char *name, ...)'),
    capsToText: core.func('gst_caps_to_string', ownedText, ['void *']),
    objectPath: core.func('gst_object_get_path_string', ownedText, ['void *']),
    miniObjectRef: core.func('void *gst_mini_object_ref(void *object)'),
    sampleCaps: core.func('void *gst_sample_get_caps(void *sample)'),
    sampleSegment: core.func('void *gst_sample_get_segment(void *sample)'),
    runningTime: core.func(
      'uint64_t gst_segment_to_running_time(void *segment, int format, uint64_t position)',
    ),
    copyRegion: core.func(
      'void *gst_buffer_copy_region(void *buffer, int flags, size_t offset, size_t size)',
    ),
    isEos: app.func('int gst_app_sink_is_eos(void *sink)'),
    init: core.func('int gst_init_check(void *argc, void *argv, _Out_ void **error)'),
    factoryFind: core.func('void *gst_element_factory_find(const char *name)'),
    objectUnref: core.func('void gst_object_unref(void *object)'),
    parseLaunch: core.func('void *gst_parse_launch(const char *description, _Out_ void **error)'),
    binGetByName: core.func('void *gst_bin_get_by_name(void *bin, const char *name)'),
    setArg: core.func('void gst_util_set_object_arg(void *object, const char *name, const char *value)'),
    systemClock: core.func('void *gst_system_clock_obtain(void)'),
    useClock: core.func('void gst_pipeline_use_clock(void *pipeline, void *clock)'),
    setBaseTime: core.func('void gst_element_set_base_time(void *element, uint64_t ns)'),
    setStartTime: core.func('void gst_element_set_start_time(void *element, uint64_t ns)'),
    setState: core.func('int gst_element_set_state(void *element, int state)'),
    sendEvent: core.func('int gst_element_send_event(void *element, void *event)'),
    getBus: core.func('void *gst_element_get_bus(void *element)'),
    busPop: core.func('void *gst_bus_timed_pop_filtered(void *bus, uint64_t ns, int types)'),
    parseError: core.func(
      'void gst_message_parse_error(void *message, _Out_ void **error, _Out_ void **debug)',
    ),
    miniObjectUnref: core.func('void gst_mini_object_unref(void *object)'),
    bufferNew: core.func('void *gst_buffer_new_allocate(void *allocator, size_t size, void *params)'),
    bufferFill: core.func('size_t gst_buffer_fill(void *buffer, size_t offset, void *from, size_t size)'),
    bufferSize: core.func('size_t gst_buffer_get_size(void *buffer)'),
    bufferExtract: core.func('size_t gst_buffer_extract(void *buffer, size_t offset, void *to, size_t size)'),
    sampleBuffer: core.func('void *gst_sample_get_buffer(void *sample)'),
    pushBuffer: app.func('int gst_app_src_push_buffer(void *source, void *buffer)'),
    pullSample: app.func('void *gst_app_sink_try_pull_sample(void *sink, uint64_t ns)'),
    forceKeyUnit: video.func(
      'void *gst_video_event_new_upstream_force_key_unit(uint64_t running_time, int all_headers, uint32_t count)',
    ),
  }
}

export type Gstreamer = ReturnType<typeof bind>

let loaded: Gstreamer | undefined

/**
 * GStreamer, loaded and initialised once per process.
 *
 * @throws CodedError `gstreamer_missing` where GStreamer is not installed; the error names the packages to install
 */
export function loadGstreamer(): Gstreamer {
  if (loaded) return loaded
  try {
    const gst = bind()
    const error: [GstPointer | null] = [null]
    if (gst.init(null, null, error) === 0) throw new Error(readError(error[0]))
    loaded = gst
    return gst
  } catch (thrown) {
    throw new CodedError('gstreamer_missing', 'GStreamer cannot be loaded', {
      details: [
        'on Debian and Ubuntu: apt-get install gstreamer1.0-plugins-base gstreamer1.0-plugins-ugly',
        messageOf(thrown),
      ],
      cause: thrown,
    })
  }
}

/** Whether this GStreamer has an element of this name. */
export function hasElement(name: string): boolean {
  const gst = loadGstreamer()
  const factory: GstPointer | null = gst.factoryFind(name)
  if (factory) gst.objectUnref(factory)
  return factory !== null
}

/** Calls a waiting function on a thread of its own. */
export function onThread<Result>(
  func: { async: (...args: never[]) => unknown },
  ...args: readonly unknown[]
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const done = (error: unknown, result: Result): void => (error ? reject(error) : resolve(result))
  Reflect.apply(func.async, func, [...args, done])
  return promise
}

/** Text of a `GError`: domain and code (4 bytes each) come before the pointer to it. */
export function readError(error: GstPointer | null): string {
  return error === null ? 'no reason given' : String(koffi.decode(error, 8, 'char *'))
}

/** How a pipeline came to its end. */
export interface PipelineEnd {
  readonly reason: string
  /** Path of the element that failed; null at the end of the stream. */
  readonly failed: string | null
}

/** What a bus message says about the end: an error's text, or the end of the stream. */
export function readEnd(message: GstPointer): PipelineEnd {
  const gst = loadGstreamer()
  const type: number = koffi.decode(message, MESSAGE_TYPE, 'int')
  if (type !== MESSAGE_ERROR) return { reason: 'the source ended', failed: null }
  const error: [GstPointer | null] = [null]
  const debug: [GstPointer | null] = [null]
  gst.parseError(message, error, debug)
  const source: GstPointer | null = koffi.decode(message, MESSAGE_SOURCE, 'void *')
  const failed: string = source === null ? '' : gst.objectPath(source)
  return { reason: readError(error[0]), failed }
}

/** Presentation time of a buffer, ns of the pipeline's time. */
export function bufferPts(buffer: GstPointer): bigint {
  return BigInt(koffi.decode(buffer, BUFFER_PTS, 'uint64_t'))
}

/** Whether a buffer of encoded pictures can be decoded without others. */
export function isKeyframe(buffer: GstPointer): boolean {
  const flags: number = koffi.decode(buffer, MINI_OBJECT_FLAGS, 'uint32_t')
  return (flags & DELTA_UNIT) === 0
}

/** Time of a sample's buffer in its pipeline, ns since the pipeline's base time; null where it has none. */
export function runningTimeOf(sample: GstPointer, buffer: GstPointer): bigint | null {
  const gst = loadGstreamer()
  const running = BigInt(gst.runningTime(gst.sampleSegment(sample), FORMAT_TIME, bufferPts(buffer)))
  return running === TIME_NONE ? null : running
}

/** A buffer of our own with the same content at another time. Where the time is the same, it is the same buffer. */
export function bufferAt(buffer: GstPointer, ns: bigint): GstPointer {
  const gst = loadGstreamer()
  if (bufferPts(buffer) === ns) return gst.miniObjectRef(buffer)
  const copy: GstPointer = gst.copyRegion(buffer, COPY_ALL, 0, WHOLE_SIZE)
  setBufferPts(copy, ns)
  koffi.encode(copy, BUFFER_DTS, 'uint64_t', TIME_NONE)
  return copy
}

export function setBufferPts(buffer: GstPointer, ns: bigint): void {
  koffi.encode(buffer, BUFFER_PTS, 'uint64_t', ns)
}
