import { spawn } from 'node:child_process'
import { clearNals, closeNal, createNalIndex, scanNals } from '../../../common/h264/annex-b.ts'
import { ParameterSets } from '../../../sfu/ingress/h264/parameter-sets.ts'
import { parseSps, type SequenceParameterSet } from '../../../sfu/ingress/h264/sequence-parameter-set.ts'
import { createSliceHeader, readSliceHeader } from '../../../sfu/ingress/h264/slice-header.ts'

export interface ReadUnit {
  /** Types of its NAL units, in order. */
  readonly types: readonly number[]
  readonly sps: SequenceParameterSet
  readonly idrPicId: number
  /** slice_type modulo 5. */
  readonly sliceType: number
}

/** What an access unit says about itself. */
export function readUnit(unit: Uint8Array): ReadUnit {
  const data = Buffer.from(unit)
  const nals = createNalIndex()
  clearNals(nals, 0)
  scanNals(data, data.length, nals)
  closeNal(data, data.length, nals)
  const sets = new ParameterSets()
  const header = createSliceHeader()
  const types: number[] = []
  let sps: SequenceParameterSet | null = null
  for (let index = 0; index < nals.count; index += 1) {
    const [from, to] = [nals.starts[index]!, nals.ends[index]!]
    const type = data[from]! & 0x1f
    types.push(type)
    if (type === 7) {
      sets.addSps(data, from, to)
      sps = parseSps(data, from, to)
    } else if (type === 8) sets.addPps(data, from, to)
    else if (!readSliceHeader(data, from, to, sets, header)) throw new Error('the slice header is cut off')
  }
  if (!sps) throw new Error('there is no SPS')
  return { types, sps, idrPicId: header.idrPicId, sliceType: header.type }
}

/** Runs ffmpeg with bytes on its standard input. @returns its standard output @throws Error with ffmpeg's complaints */
export async function ffmpeg(args: readonly string[], input: Uint8Array): Promise<Buffer> {
  const child = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...args])
  const out: Buffer[] = []
  let complaints = ''
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString()
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0 || complaints !== '') throw new Error(`ffmpeg ended with ${code}: ${complaints}`)
  return Buffer.concat(out)
}

/** The luma of each picture of an H.264 stream, as a decoder shows it. @throws Error where the decoder complains */
export async function decode(units: readonly Uint8Array[], pixels: number): Promise<Buffer[]> {
  const args = '-f h264 -i pipe:0 -fps_mode passthrough -f rawvideo -pix_fmt yuv420p pipe:1'
  const bytes = await ffmpeg(args.split(' '), Buffer.concat(units))
  const each = pixels * 1.5
  return Array.from({ length: bytes.length / each }, (_, index) =>
    bytes.subarray(index * each, index * each + pixels),
  )
}

/** Share of pixels that are bright. */
export function whiteShare(luma: Uint8Array): number {
  return luma.filter((value) => value > 150).length / luma.length
}
