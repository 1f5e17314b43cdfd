import test from 'ava'
import { Demuxer } from '../../common/mpegts/demuxer.ts'
import { elementaryCodec } from '../../common/mpegts/elementary-codec.ts'
import { generateTs } from '../support/media-generator.ts'
import { mutations, SeededRandom } from './seeded-random.ts'

const roundsPerMutation = 40
const maxUnitBytes = 256 * 1024

function makeDemuxer(): { demuxer: Demuxer; units: number[]; check: () => string | null } {
  const units: number[] = []
  let wrong: string | null = null
  const demuxer: Demuxer = new Demuxer(
    {
      program: (streams) => {
        for (const stream of streams) elementaryCodec(stream)
        demuxer.select(streams.map(({ pid }) => ({ pid, maxBytes: maxUnitBytes })))
      },
      unit: (pid, data, from, to, pts) => {
        if (from < 0 || to < from || to > data.length) wrong = 'a unit lies outside of its buffer'
        if (pts !== -1 && !(pts >= 0 && pts < 2 ** 33)) wrong = `PTS ${pts}`
        if (pid < 0x10 || pid >= 0x1fff) wrong = `PID ${pid}`
        units.push(to - from)
      },
      lost: () => {},
      temi: (pts, unixMs) => {
        if (!Number.isFinite(pts) || !Number.isFinite(unixMs)) wrong = 'a stamp that is no number'
      },
      issue: () => {},
    },
    { maxStreams: 32, maxPids: 64 },
  )
  return { demuxer, units, check: () => wrong }
}

for (const [name, mutate] of mutations) {
  test(`${name}: no exception, bounded memory, and a good stream is read afterwards`, async (t) => {
    const good = await generateTs('high', { seconds: 1 })
    const random = new SeededRandom(name)
    const { demuxer, units, check } = makeDemuxer()
    for (let round = 0; round < roundsPerMutation; round++) {
      const bytes = mutate(good, random)
      for (let at = 0; at < bytes.length; ) {
        const size = random.below(3) === 0 ? 1 + random.below(3000) : 1316
        demuxer.push(bytes.subarray(at, at + size))
        at += size
      }
      if (random.below(8) === 0) demuxer.reset()
      if (demuxer.bufferedBytes > 32 * maxUnitBytes) t.fail(`${demuxer.bufferedBytes} bytes buffered`)
    }
    t.is(check(), null)
    const before = units.length
    demuxer.push(good)
    demuxer.push(good)
    t.true(units.length - before >= 30 + 45, `${units.length - before} units of two good seconds`)
  })
}
