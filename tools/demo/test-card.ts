import { z } from 'zod'
import { BARCODE, CLOCK_PLACE } from '../../agent/encoder/card-barcode.ts'

/**
 * A live test card: arguments that make `ffmpeg` draw, encode and multiplex one, with the wall clock as its timestamps.
 * PTS is the wall clock at which the frame was drawn (90 kHz since 1970, modulo 2^33). The same clock is drawn into the
 * frame, for people and as a barcode for machines.
 */

const size = z.strictObject({
  width: z.int().min(64).max(1920).multipleOf(2),
  height: z.int().min(64).max(1080).multipleOf(2),
})
type Size = z.output<typeof size>

export const testCardOptions = z.strictObject({
  /** Name in the picture. */
  name: z.string().max(40).default('test card'),
  width: z.int().min(320).max(1920).multipleOf(2).default(1280),
  height: z.int().min(180).max(1080).multipleOf(2).default(720),
  fps: z.int().min(1).max(60).default(30),
  videoKbps: z.int().min(100).max(50_000).default(3000),
  /** Seconds from one IDR to the next. */
  gopSeconds: z.number().min(0.1).max(20).default(0.5),
  /** 2 adds a stream of half the width and height, with the same PTS. A list gives the sizes of added streams. */
  renditions: z.union([z.literal(1), z.literal(2), z.array(size).min(1).max(3)]).default(1),
  audio: z.enum(['opus', 'aac', 'none']).default('opus'),
  profile: z.enum(['baseline', 'high']).default('baseline'),
  /** Number of B-pictures in a row. A live sender has none; tests ask for what must be refused. */
  bFrames: z.int().min(0).max(4).default(0),
})
export type TestCardOptions = z.input<typeof testCardOptions>
export type Card = z.output<typeof testCardOptions>

const FONT = '/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf'
/**
 * How long before its time audio is made: the multiplexer holds a picture back until it has audio that plays after it,
 * which would cost an audio frame and the length of a chunk of the tone's source.
 */
const AUDIO_LEAD_S = 0.05

/** Unix ms of the frame as an ffmpeg expression of its time `t` in s. */
const MS = 'round(t*1000)'
const bit = (index: number): string => `mod(floor(${MS}/${2 ** index}),2)`

/** The 42 cells: white when the expression is not 0. */
function cells(): string[] {
  const value = Array.from({ length: 32 }, (_, index) => bit(31 - index))
  const checksum = Array.from({ length: 8 }, (_, index) => {
    const low = 7 - index
    return `mod(${[low, low + 8, low + 16, low + 24].map(bit).join('+')},2)`
  })
  return ['1', '0', ...value, ...checksum]
}

function barcode(width: number): string[] {
  const scale = width / BARCODE.referenceWidth
  const at = (value: number): number => Math.round(value * scale)
  const box = (from: number, to: number, color: string, enable: string): string => {
    const x = at(BARCODE.x + BARCODE.cellWidth * from)
    const w = at(BARCODE.x + BARCODE.cellWidth * to) - x
    const place = `x=${x}:y=${at(CLOCK_PLACE.y)}:w=${w}:h=${at(CLOCK_PLACE.cellHeight)}`
    return `drawbox=${place}:color=${color}:t=fill:enable='${enable}'`
  }
  const white = cells().map((enable, index) => box(index, index + 1, 'white', enable))
  return [box(-1, BARCODE.cells + 1, 'black', '1'), ...white]
}

function text(content: string, place: string, size: number): string {
  return `drawtext=fontfile=${FONT}:text='${content}':${place}:fontsize=${size}:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=8`
}

function picture(card: Card): string {
  const unit = card.height / 18
  const name = card.name.replaceAll(/[^\p{L}\p{N} ._-]/gu, ' ')
  const clock = `%{pts\\:gmtime\\:0\\:%H\\\\\\:%M\\\\\\:%S}.%{eif\\:mod(${MS}\\,1000)\\:d\\:3}`
  return [
    // The wall clock is read once, here. It becomes the frame's time, which everything after this draws.
    'settb=1/1000',
    // But never twice the same time: after a stall ffmpeg draws what it missed in a burst.
    "setpts='st(0,max(floor(RTCTIME/1000),ld(0)+1))'",
    text(clock, `x=(w-tw)/2:y=h*0.36`, Math.round(unit * 2.4)),
    text(name, `x=(w-tw)/2:y=h*0.54`, Math.round(unit * 1.2)),
    text('+', `x=mod(t*w/4\\,w):y=h*0.2`, Math.round(unit * 2)),
    ...barcode(card.width),
  ].join(',')
}

function encoder(card: Card, stream: number, kbps: number): string[] {
  const frames = Math.max(1, Math.round(card.gopSeconds * card.fps))
  const specific: Record<string, string> = {
    b: `${kbps}k`,
    maxrate: `${kbps}k`,
    bufsize: `${Math.round(kbps / 8)}k`,
    profile: card.bFrames > 0 ? 'main' : card.profile,
    bf: String(card.bFrames),
    g: String(frames),
  }
  return Object.entries(specific).flatMap(([key, value]) => [`-${key}:v:${stream}`, value])
}

const AUDIO_ENCODERS: Readonly<Record<Card['audio'], readonly string[]>> = {
  opus: ['-c:a', 'libopus', '-b:a', '64k', '-ac', '2', '-application', 'lowdelay', '-frame_duration', '20'],
  aac: ['-c:a', 'aac', '-b:a', '96k', '-ac', '2'],
  none: [],
}

/** The card's picture sizes, the largest last. */
export function sizesOf({ width, height, renditions }: Card): readonly Size[] {
  const half = (of: number) => Math.floor(of / 4) * 2
  const added = renditions === 2 ? [{ width: half(width), height: half(height) }] : renditions
  return [...(added === 1 ? [] : added), { width, height }]
}

/** The bitrate of each of these sizes by pixels, if the largest has `largestKbps`. */
export function kbpsOf(sizes: readonly Size[], largestKbps: number): number[] {
  const pixels = sizes.map(({ width, height }) => width * height)
  return pixels.map((count) => Math.round((largestKbps * count) / pixels.at(-1)!))
}

/** Arguments that make `ffmpeg` write the card's MPEG-TS to standard output, at the pace of the clock. */
export function testCardArguments(options: TestCardOptions): string[] {
  const card = testCardOptions.parse(options)
  const sizes = sizesOf(card)
  const names = sizes.map((_, rendition) => `[v${rendition}]`)
  const scaled = sizes
    .slice(0, -1)
    .map(
      ({ width, height }, rendition) =>
        `;[full${rendition}]scale=${width}:${height}:flags=fast_bilinear${names[rendition]}`,
    )
  const fulls = scaled.map((_, rendition) => `[full${rendition}]`)
  const split = scaled.length === 0 ? '' : `,split=${sizes.length}${fulls.join('')}`
  const graph = `[0:v]${picture(card)}${split}${names.at(-1)}${scaled.join('')}`
  const start = 'st(0,if(eq(N,0),RTCTIME/(TB*1000000),ld(0)))'
  const tone = `[1:a]asetpts='${start}+PTS-STARTPTS+${AUDIO_LEAD_S}/TB'[a]`
  const audio = card.audio !== 'none'
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...[
      '-re',
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=${card.width}x${card.height}:rate=${card.fps},format=yuv420p`,
    ],
    ...(audio
      ? ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:samples_per_frame=480']
      : []),
    // Two graphs: within one graph ffmpeg works on the oldest output, and pictures would wait.
    ...['-filter_complex', graph],
    ...(audio ? ['-filter_complex', tone] : []),
    ...names.flatMap((name) => ['-map', name]),
    ...(audio ? ['-map', '[a]'] : []),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p'],
    ...['-threads', '1', '-sc_threshold', '0', '-enc_time_base', '1:90000', '-fps_mode', 'passthrough'],
    ...kbpsOf(sizes, card.videoKbps).flatMap((kbps, rendition) => encoder(card, rendition, kbps)),
    ...AUDIO_ENCODERS[card.audio],
    // The multiplexer would wait for a packet of every stream, a whole frame with several renditions. Once audio is
    // past a picture (see AUDIO_LEAD_S), the picture may go.
    ...[
      '-copyts',
      '-muxdelay',
      '0',
      '-muxpreload',
      '0',
      '-max_interleave_delta',
      '1',
      '-flush_packets',
      '1',
      '-f',
      'mpegts',
    ],
    ...['-mpegts_copyts', '1', '-pes_payload_size', '16', '-omit_video_pes_length', '0'],
    ...['-pat_period', '0.2', '-sdt_period', '5', 'pipe:1'],
  ]
}
