import type { PictureSource } from '../encoder-protocol.ts'

/** Names of an input's sinks: pictures as the source delivers them, pictures that had to be decoded, and raw sound. */
export const PICTURES_IN = 'pictures-in'
export const DECODED_IN = 'decoded-in'
export const SOUND_IN = 'sound-in'
/** Everything below this name belongs to the sound: its failure is no failure of the pictures. */
export const SOUND_PART = 'sound-part'

/** An input's pipeline before it is made. */
export interface InputWords {
  readonly words: string
  /** Texts from outside: element, property, value. They never become part of the words. */
  readonly texts: readonly (readonly [element: string, property: string, value: string])[]
  readonly sinks: readonly string[]
  /** It plays a file from now on. Live sources stamp the wall clock instead. */
  readonly isFile: boolean
  /** The source's own clock runs ahead of arrival, by as much as its multiplexer likes. */
  readonly placedByArrival: boolean
}

/** How long a late or lost packet of a camera is waited for, ms. A packet in order waits for nothing. */
const RTSP_LATENCY_MS = 150
const SRT_LATENCY_MS = 80

/** Elements before the sink of H.264: whole pictures, parameter sets with each IDR. */
const H264 = 'h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au'
export const RAW_SOUND = 'audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=2'
const VIDEO = 'video/x-h265;video/mpeg,systemstream=false;video/x-vp8;video/x-vp9;image/jpeg'
const AUDIO = 'audio/mpeg;audio/x-opus;audio/x-ac3;audio/x-vorbis;audio/x-flac;audio/x-alaw;audio/x-mulaw'

/** Pictures wait for nothing but their reader. Of raw pictures only the newest are kept; H.264 has no picture to spare. */
const sink = (name: string, more: string): string => `appsink name=${name} sync=false async=false ${more}`
const RAW_SINK = 'max-buffers=2 drop=true'
const CODED_SINK = 'max-buffers=60 drop=false'
const sound = `audioconvert ! audioresample ! ${RAW_SOUND} ! ${sink(SOUND_IN, 'max-buffers=20 drop=true')}`
const soundPart = `decodebin name=${SOUND_PART} ! ${sound}`

/** What the streams of a file are, as caps: {@link fileStreams} reads them. */
export interface FileStreams {
  readonly video: string | null
  readonly audio: string | null
}

export interface InputOptions {
  /** Whether sound of the source is to be had. */
  readonly withSound: boolean
  /** How often this input failed in a row. */
  readonly failures: number
  /** Of a file, what is in it. */
  readonly streams?: FileStreams
}

/** The pipeline that brings the pictures, and the sound, of a source. A test card has none. */
export function inputWords(
  source: Exclude<PictureSource, { kind: 'test-card' }>,
  { withSound, failures, streams }: InputOptions,
): InputWords {
  const live = { isFile: false, placedByArrival: false }
  const sinks = [PICTURES_IN, DECODED_IN, ...(withSound ? [SOUND_IN] : [])]
  switch (source.kind) {
    case 'words':
      return { ...live, words: `${source.words} ! ${rawPictures}`, texts: [], sinks: [PICTURES_IN] }
    case 'v4l2':
      return {
        ...live,
        words: `v4l2src name=source ! ${captured(source)}`,
        texts: [['source', 'device', source.device]],
        sinks: [PICTURES_IN],
      }
    case 'rtsp':
      return { ...live, ...rtspWords(source, withSound, failures), sinks }
    case 'srt':
      return {
        words: [
          `srtsrc name=source latency=${SRT_LATENCY_MS} auto-reconnect=false ! tsdemux name=streams`,
          ...streamWords(withSound),
        ].join('\n'),
        texts: [
          ['source', 'uri', source.url],
          ...(source.passphrase === undefined ? [] : [['source', 'passphrase', source.passphrase] as const]),
        ],
        sinks,
        isFile: false,
        placedByArrival: true,
      }
    case 'file':
      return fileWords(source.path, withSound, streams)
  }
}

const rawPictures = `capsfilter caps=video/x-raw ! ${sink(PICTURES_IN, RAW_SINK)}`

function captured({ format, size, fps }: Extract<PictureSource, { kind: 'v4l2' }>): string {
  const wanted = [
    ...(size ? [`width=${size.width}`, `height=${size.height}`] : []),
    ...(fps ? [`framerate=${fraction(fps)}`] : []),
  ]
  const caps = (name: string): string => [name, ...wanted].join(',')
  if (format === 'h264') return `${caps('video/x-h264')} ! ${H264} ! ${sink(PICTURES_IN, CODED_SINK)}`
  if (format === 'mjpeg') return `${caps('image/jpeg')} ! ${sink(PICTURES_IN, RAW_SINK)}`
  if (format === 'raw') return `${caps('video/x-raw')} ! ${sink(PICTURES_IN, RAW_SINK)}`
  return `${caps('video/x-raw')};${caps('image/jpeg')} ! ${sink(PICTURES_IN, RAW_SINK)}`
}

/** 29.97 and its like are thousands of 1001sts. */
function fraction(fps: number): string {
  return Number.isInteger(fps) ? `${fps}/1` : `${Math.round(fps) * 1000}/1001`
}

/** Cameras answer over TCP, which loses nothing on the way; one that does not gets its turn by UDP. */
function rtspWords(
  { url, username, password }: Extract<PictureSource, { kind: 'rtsp' }>,
  withSound: boolean,
  failures: number,
): Pick<InputWords, 'words' | 'texts'> {
  const protocol = failures % 3 === 2 ? 'udp' : 'tcp'
  const others = 'encoding-name=(string){JPEG,H265,MP4V-ES,VP8,VP9}'
  return {
    words: [
      `rtspsrc name=source protocols=${protocol} latency=${RTSP_LATENCY_MS} timeout=3000000 tcp-timeout=5000000 teardown-timeout=200000000`,
      `source. ! application/x-rtp,media=video,encoding-name=H264 ! rtph264depay ! ${H264} ! ${sink(PICTURES_IN, CODED_SINK)}`,
      `source. ! application/x-rtp,media=video,${others} ! decodebin ! videoconvert ! video/x-raw ! ${sink(DECODED_IN, RAW_SINK)}`,
      ...(withSound ? [`source. ! application/x-rtp,media=audio ! ${soundPart}`] : []),
    ].join('\n'),
    texts: [
      ['source', 'location', url],
      ...(username === undefined ? [] : [['source', 'user-id', username] as const]),
      ...(password === undefined ? [] : [['source', 'user-pw', password] as const]),
    ],
  }
}

/** A demultiplexer links those that fit what it finds. The others wait for ever, which a live pipeline does not mind. */
function streamWords(withSound: boolean): string[] {
  return [
    `streams. ! video/x-h264 ! ${H264} ! ${sink(PICTURES_IN, CODED_SINK)}`,
    `streams. ! ${VIDEO} ! decodebin ! videoconvert ! video/x-raw ! ${sink(DECODED_IN, RAW_SINK)}`,
    ...(withSound ? [`streams. ! ${AUDIO} ! ${soundPart}`] : []),
  ]
}

/** A file would wait for a stream that it does not have: what it has is known before. Its sinks keep the time. */
function fileWords(path: string, withSound: boolean, streams?: FileStreams): InputWords {
  const paced = (words: string): string => words.replaceAll('sync=false async=false', 'sync=true async=false')
  const nameOf = (caps: string): string => caps.split(',')[0]!
  const { video = null, audio = null } = streams ?? {}
  const h264 = video !== null && nameOf(video) === 'video/x-h264'
  const pictures = h264
    ? `${H264} ! ${sink(PICTURES_IN, CODED_SINK)}`
    : `decodebin ! videoconvert ! video/x-raw ! ${sink(DECODED_IN, 'max-buffers=4 drop=false')}`
  const heard = withSound && audio !== null
  return {
    words: paced(
      [
        'filesrc name=source ! parsebin name=streams',
        ...(video === null ? [] : [`streams. ! ${nameOf(video)} ! queue ! ${pictures}`]),
        ...(heard ? [`streams. ! ${nameOf(audio)} ! queue ! ${soundPart}`] : []),
      ].join('\n'),
    ),
    texts: [['source', 'location', path]],
    sinks: [...(video === null ? [] : [h264 ? PICTURES_IN : DECODED_IN]), ...(heard ? [SOUND_IN] : [])],
    isFile: true,
    placedByArrival: false,
  }
}
