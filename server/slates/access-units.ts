import { clearNals, closeNal, createNalIndex, scanNals } from '../../common/h264/annex-b.ts'

/** NAL unit types of ITU-T H.264 table 7-1. */
const IDR = 5
const SPS = 7
const PPS = 8
const START_CODE = Buffer.from([0, 0, 0, 1])

/**
 * The pictures of an H.264 byte stream (annex B) that has nothing but IDR pictures of one slice each. Each comes with its
 * SPS and PPS in front; what decoders need not know (SEI, access unit delimiters) is left out.
 */
export function accessUnitsOf(stream: Buffer): Buffer[] {
  const nals = createNalIndex()
  clearNals(nals, 0)
  scanNals(stream, stream.length, nals)
  closeNal(stream, stream.length, nals)
  const units: Buffer[] = []
  let [sps, pps]: (Buffer | null)[] = [null, null]
  for (let index = 0; index < nals.count; index += 1) {
    const nal = stream.subarray(nals.starts[index], nals.ends[index])
    const type = nal[0]! & 0x1f
    if (type === SPS) sps = nal
    else if (type === PPS) pps = nal
    else if (type === IDR && sps && pps)
      units.push(Buffer.concat([sps, pps, nal].flatMap((one) => [START_CODE, one])))
  }
  return units
}
