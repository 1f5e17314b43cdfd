import test from 'ava'
import { PesPacking } from '../../../sfu/ingress/h264/pes-packing.ts'

/** So many packets with a picture each, every 30th a keyframe. */
function play(packing: PesPacking, pictures: number): void {
  for (let picture = 0; picture < pictures; picture++) packing.began(picture % 30 === 1)
}

test('a stream is believed after its first keyframe', (t) => {
  const packing = new PesPacking()
  packing.began(false)
  t.false(packing.whole)
  packing.began(true)
  t.true(packing.whole)
})

test('a stream that spread its pictures is trusted after 150 packets and three keyframes, then after twice as many', (t) => {
  const packing = new PesPacking()
  play(packing, 2)
  packing.continued()
  t.false(packing.whole)
  for (let picture = 0; picture < 1000; picture++) packing.began(picture < 2)
  t.false(packing.whole, 'two keyframes')
  packing.continued()
  play(packing, 150)
  t.false(packing.whole)
  play(packing, 1)
  t.true(packing.whole)
  packing.continued()
  play(packing, 300)
  t.false(packing.whole)
  play(packing, 1)
  t.true(packing.whole)
  packing.restart()
  play(packing, 2)
  t.true(packing.whole, 'another encoder')
})
