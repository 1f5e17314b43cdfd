import { crc32 } from 'node:zlib'
import { ffmpeg } from './read-slate.ts'

/** A picture of four colours: red and green above, blue and white below. 64x32 unless said otherwise. */
export function fourColours(
  filter: string,
  output: string,
  size = { width: 64, height: 32 },
): Promise<Buffer> {
  const half = `s=${size.width / 2}x${size.height / 2}`
  const inputs = ['red', 'lime', 'blue', 'white'].flatMap((colour) => [
    '-f',
    'lavfi',
    '-i',
    `color=${colour}:${half}`,
  ])
  const graph = `[0][1]hstack[a];[2][3]hstack[b];[a][b]vstack,format=rgb24${filter}`
  return ffmpeg(
    [...inputs, '-filter_complex', graph, '-frames:v', '1', ...output.split(' '), 'pipe:1'],
    new Uint8Array(),
  )
}

export const PNG = '-f image2pipe -c:v png'
export const JPEG = '-f image2pipe -c:v mjpeg -pix_fmt yuvj444p -q:v 2'

/** The same JPEG with a segment behind its start. */
export function withSegment(jpeg: Buffer, marker: number, body: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(body.length + 2, 2)
  return Buffer.concat([jpeg.subarray(0, 2), head, body, jpeg.subarray(2)])
}

/** EXIF of one entry: the orientation. */
export function exif(orientation: number, order: 'II' | 'MM' = 'MM'): Buffer {
  const tiff = Buffer.alloc(26)
  const [short, long] =
    order === 'II'
      ? [
          (value: number, at: number) => tiff.writeUInt16LE(value, at),
          (value: number, at: number) => tiff.writeUInt32LE(value, at),
        ]
      : [
          (value: number, at: number) => tiff.writeUInt16BE(value, at),
          (value: number, at: number) => tiff.writeUInt32BE(value, at),
        ]
  tiff.write(order, 'latin1')
  short(42, 2)
  long(8, 4)
  short(1, 8)
  short(0x0112, 10)
  short(3, 12)
  long(1, 14)
  short(orientation, 18)
  return Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff])
}

/** A chunk of a PNG. */
export function chunk(type: string, body: Uint8Array): Buffer {
  const data = Buffer.concat([Buffer.from(type, 'latin1'), body])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(body.length)
  frame.writeUInt32BE(crc32(data), 4)
  return Buffer.concat([frame.subarray(0, 4), data, frame.subarray(4)])
}

/** The same PNG with a chunk behind its first. */
export function withChunk(png: Buffer, type: string, body: Uint8Array): Buffer {
  const at = 8 + 12 + 13
  return Buffer.concat([png.subarray(0, at), chunk(type, body), png.subarray(at)])
}

/** The same PNG, whose head claims another size. */
export function claimingSize(png: Buffer, width: number, height: number): Buffer {
  const head = Buffer.from(png.subarray(16, 29))
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', head), png.subarray(33)])
}

/** The colours in the middles of a picture's four quarters: `red lime blue white`. */
export async function coloursOf(jpeg: Uint8Array, size: { width: number; height: number }): Promise<string> {
  const rgb = await ffmpeg('-f jpeg_pipe -i pipe:0 -f rawvideo -pix_fmt rgb24 pipe:1'.split(' '), jpeg)
  if (rgb.length !== size.width * size.height * 3)
    throw new Error(`${rgb.length} bytes are not ${size.width}x${size.height}`)
  const quarters = [0.25, 0.75].flatMap((y) => [0.25, 0.75].map((x) => [x, y] as const))
  return quarters
    .map(([x, y]) => {
      const at = (Math.floor(y * size.height) * size.width + Math.floor(x * size.width)) * 3
      const bits = [0, 1, 2].map((channel) => (rgb[at + channel]! > 128 ? '1' : '0')).join('')
      return { '100': 'red', '010': 'lime', '001': 'blue', '111': 'white', '000': 'black' }[bits] ?? bits
    })
    .join(' ')
}
