import test from 'ava'
import { FrameReader, frameHeader, MAX_FRAME_BYTES } from '../../../agent/sender/ts-frames.ts'

/** Sizes of frames, and of the pieces in which they come. */
const CASES: readonly { readonly frames: readonly number[]; readonly cut: number }[] = [
  { frames: [188], cut: 1 },
  { frames: [188, 1316, 1, 9400], cut: 3 },
  { frames: [70_000, 188, 188, 188, 200_000], cut: 65_536 },
  { frames: [5, 6, 7], cut: 1000 },
]

for (const { frames, cut } of CASES)
  test(`frames of ${frames.join(', ')} bytes come whole out of pieces of ${cut}`, (t) => {
    const sent = frames.map((bytes, index) => Buffer.alloc(bytes, index + 1))
    const stream = Buffer.concat(sent.flatMap((frame) => [frameHeader(frame.length), frame]))
    const heard: Buffer[] = []
    const reader = new FrameReader((frame) => heard.push(Buffer.from(frame)))
    for (let at = 0; at < stream.length; at += cut) reader.push(Buffer.from(stream.subarray(at, at + cut)))
    t.deepEqual(heard, sent)
  })

for (const bytes of [0, MAX_FRAME_BYTES + 1])
  test(`a frame of ${bytes} bytes is an error`, (t) => {
    const reader = new FrameReader(() => t.fail())
    t.throws(() => reader.push(frameHeader(bytes)), { message: /a frame of/ })
  })
