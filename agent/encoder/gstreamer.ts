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
const MESSAGE_ERROR = 0b10

function bind() {
  const core = koffi.load('libgstreamer-1.0.so.0')
  const app = koffi.load('libgstapp-1.0.so.0')
  const video = koffi.load('libgstvideo-1.0.so.0')
  return {
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

/** What a bus message says about the end: an error's text, or the end of the stream. */
export function readEnd(message: GstPointer): string {
  const type: number = koffi.decode(message, MESSAGE_TYPE, 'int')
  if (type !== MESSAGE_ERROR) return 'the source ended'
  const error: [GstPointer | null] = [null]
  const debug: [GstPointer | null] = [null]
  loadGstreamer().parseError(message, error, debug)
  return readError(error[0])
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

export function setBufferPts(buffer: GstPointer, ns: bigint): void {
  koffi.encode(buffer, BUFFER_PTS, 'uint64_t', ns)
}
