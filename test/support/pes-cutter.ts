import { TsWriter } from '../sfu/ingress/mpegts-writer.ts'

const PACKET = 188
/** Where ffmpeg's multiplexer puts the first video stream. */
const VIDEO_PID = 0x100
const START_CODE = Buffer.from([0, 0, 1])
const DELIMITER = Buffer.from([0, 0, 0, 1, 9, 0xf0])
const NAL_SLICE = 1
const NAL_IDR = 5
const NAL_SPS = 7
const NAL_PPS = 8
const CHUNK_BYTES = 4000

/**
 * Other ways to cut pictures into PES packets than one packet a picture, all of them allowed:
 *
 * - `slices`: a packet for each slice, the first of a picture with the PTS, as encoders for low latency do
 * - `slices-pts`: all of them with their picture's PTS
 * - `slices-own-pts`: each slice with a PTS of its own, 1 ms after the one before
 * - `slices-delimited`: as `slices-pts`, with an access unit delimiter in front of each packet: what a multiplexer adds
 *   that takes each packet for a picture
 * - `chunks`: packets of 4000 bytes, the first of a picture with the PTS
 * - `unaligned`: packets of 4000 bytes, cut wherever that is; a packet in which a picture begins has its PTS
 */
export const PES_CUTS = [
  'slices',
  'slices-pts',
  'slices-own-pts',
  'slices-delimited',
  'chunks',
  'unaligned',
] as const
export type PesCut = (typeof PES_CUTS)[number]

interface Picture {
  readonly pts: number
  readonly es: Buffer
}

/** The same pictures, cut another way from the given one on. Everything else stays. */
export function cutPes(ts: Buffer, cut: PesCut, fromPicture = 0): Buffer {
  const writer = new TsWriter()
  const out: Buffer[] = []
  let number = 0
  let rest: { es: Buffer; pts: number | undefined } = { es: Buffer.alloc(0), pts: undefined }
  const unaligned = ({ es, pts }: Picture): void => {
    let starts = rest.es.length
    rest.es = Buffer.concat([rest.es, es])
    while (rest.es.length >= CHUNK_BYTES) {
      const begins = starts >= 0 && starts < CHUNK_BYTES
      out.push(
        writer.pes(VIDEO_PID, rest.es.subarray(0, CHUNK_BYTES), begins ? { pts: rest.pts ?? pts } : {}),
      )
      starts -= CHUNK_BYTES
      rest = { es: rest.es.subarray(CHUNK_BYTES), pts: undefined }
    }
    // Another picture may begin in the rest before the packet is full.
    if (starts >= 0) rest.pts ??= pts
  }
  const aligned = ({ es, pts }: Picture): void => {
    for (const [nth, part] of partsOf(es, cut).entries()) {
      const own = cut === 'slices-own-pts' ? pts + nth * 90 : pts
      const timed = nth === 0 || !(cut === 'slices' || cut === 'chunks')
      out.push(writer.pes(VIDEO_PID, part, timed ? { pts: own } : {}))
    }
  }
  walk(
    ts,
    (packet) => out.push(packet),
    (picture) => {
      number += 1
      if (number <= fromPicture) out.push(writer.pes(VIDEO_PID, picture.es, { pts: picture.pts }))
      else if (cut === 'unaligned') unaligned(picture)
      else aligned(picture)
    },
  )
  return Buffer.concat(out)
}

/** What viewers must get of each picture, in order: its slices, for an IDR picture after its parameter sets. */
export function picturesOf(ts: Buffer): Buffer[][] {
  const pictures: Buffer[][] = []
  walk(
    ts,
    () => {},
    ({ es }) => {
      const nals = nalsOf(es)
      const idr = nals.some((nal) => typeOf(nal) === NAL_IDR)
      const wanted = idr ? [NAL_SPS, NAL_PPS, NAL_IDR] : [NAL_SLICE]
      pictures.push(nals.filter((nal) => wanted.includes(typeOf(nal))))
    },
  )
  return pictures
}

function partsOf(es: Buffer, cut: PesCut): Buffer[] {
  if (cut === 'chunks') {
    const count = Math.ceil(es.length / CHUNK_BYTES)
    return Array.from({ length: count }, (_, nth) => es.subarray(nth * CHUNK_BYTES, (nth + 1) * CHUNK_BYTES))
  }
  const slices: number[] = []
  for (let at = es.indexOf(START_CODE); at >= 0; at = es.indexOf(START_CODE, at + 3))
    if ([NAL_SLICE, NAL_IDR].includes(es[at + 3]! & 0x1f)) slices.push(es[at - 1] === 0 ? at - 1 : at)
  const edges = [0, ...slices.slice(1), es.length]
  const parts = edges.slice(1).map((end, nth) => es.subarray(edges[nth], end))
  return cut === 'slices-delimited'
    ? parts.map((part, nth) => (nth === 0 ? part : Buffer.concat([DELIMITER, part])))
    : parts
}

function nalsOf(es: Buffer): Buffer[] {
  const starts: number[] = []
  for (let at = es.indexOf(START_CODE); at >= 0; at = es.indexOf(START_CODE, at + 3)) starts.push(at + 3)
  return starts.map((start, nth) => {
    let end = nth + 1 < starts.length ? starts[nth + 1]! - 3 : es.length
    while (es[end - 1] === 0) end -= 1
    return es.subarray(start, end)
  })
}

const typeOf = (nal: Buffer): number => nal[0]! & 0x1f

/** Walks through a file of ffmpeg's, in which each PES packet is a picture. */
function walk(ts: Buffer, other: (packet: Buffer) => void, picture: (picture: Picture) => void): void {
  let pes: Buffer[] = []
  const flush = (): void => {
    if (pes.length > 0) picture(readPes(Buffer.concat(pes)))
    pes = []
  }
  for (let at = 0; at + PACKET <= ts.length; at += PACKET) {
    const packet = ts.subarray(at, at + PACKET)
    if ((packet.readUInt16BE(1) & 0x1fff) !== VIDEO_PID) {
      other(packet)
      continue
    }
    if (packet[1]! & 0x40) flush()
    pes.push(packet.subarray(4 + (packet[3]! & 0x20 ? 1 + packet[4]! : 0)))
  }
  flush()
}

function readPes(pes: Buffer): Picture {
  const high = (pes[9]! >> 1) & 7
  const pts = high * 2 ** 30 + (pes.readUInt16BE(10) >> 1) * 2 ** 15 + (pes.readUInt16BE(12) >> 1)
  return { pts, es: pes.subarray(9 + pes[8]!) }
}
