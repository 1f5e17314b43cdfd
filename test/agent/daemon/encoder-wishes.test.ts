import test from 'ava'
import type { BondReport } from '../../../agent/bond/bond-report.ts'
import { EncoderWishes } from '../../../agent/daemon/encoder-wishes.ts'

const report = (more: Partial<BondReport>): BondReport => ({
  target_kbps: 2000,
  encoder_kbps: 2000,
  wanted: [true, true],
  links: [],
  ...more,
})

test('an encoder has the bitrate of the contract until the bond speaks, and the renditions that both want', (t) => {
  const said: string[] = []
  const wishes = new EncoderWishes({
    setTarget: (kbps) => said.push(`${kbps} kb/s`),
    setDemand: ({ video, audio }) => said.push(`${video.map(Number).join('')} ${audio}`),
  })
  wishes.bond(report({}))
  t.deepEqual(said, [], 'without a contract a late word of the bond before says nothing')
  wishes.contract(3000)
  t.is(wishes.targetKbps, 3000)
  wishes.demanded({ video: [true, true, false, false], audio: true })
  wishes.bond(report({ target_kbps: 500, encoder_kbps: 2200, wanted: [true, false] }))
  t.is(wishes.targetKbps, 500)
  t.false(wishes.hasRoomFor(1))
  t.true(wishes.hasRoomFor(0))
  // A renewed contract has the same bitrate to begin with, and the bond goes on.
  wishes.contract(3000)
  wishes.demanded({ video: [true, true, false, false], audio: false })
  wishes.bond(report({ target_kbps: 500, encoder_kbps: 2200, wanted: [true, false] }))
  t.deepEqual(said, ['3000 kb/s', '1111 true', '1100 true', '2200 kb/s', '1000 true', '1000 false'])
  wishes.contract(null)
  t.is(wishes.targetKbps, null)
  wishes.contract(3000)
  t.deepEqual(said.slice(-2), ['1100 false', '3000 kb/s'])
})
