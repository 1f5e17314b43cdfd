import test from 'ava'
import { fillBox, type Plane } from '../../../common/dot-font.ts'
import { intraPictures } from '../../../server/slates/intra-picture.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { decode, readUnit } from './read-slate.ts'

test('any grey picture comes out of a decoder as it was, to the pixel', async (t) => {
  const random = new SeededRandom('intra pictures')
  for (let round = 0; round < 30; round += 1) {
    const [width, height] = [2 * (16 + random.below(100)), 2 * (16 + random.below(60))]
    const plane: Plane = { data: new Uint8Array(width * height).fill(16), width, height }
    const touched: [number, number][] = []
    for (let box = random.below(12); box > 0; box -= 1) {
      const [x, y] = [random.below(width), random.below(height)]
      const tall = 1 + random.below(40)
      // Whole blocks of one colour, fine lines, and noise.
      if (random.below(3) > 0) fillBox(plane, x, y, 1 + random.below(80), tall, random.below(256))
      else
        for (let row = y; row < Math.min(height, y + tall); row += 1)
          for (let at = x; at < Math.min(width, x + 20); at += 1)
            plane.data[row * width + at] = random.below(4) * random.below(80)
      touched.push([y, y + tall])
    }
    const pictures = intraPictures({ ...plane, touched }, [131, 126])
    const what = `round ${round}, ${width}x${height}`
    const [first, second] = await decode(pictures, width * height)
    t.true(first!.equals(plane.data), what)
    t.true(second!.equals(plane.data), what)
    const [one, other] = pictures.map(readUnit)
    t.deepEqual([one!.sps.width, one!.sps.height], [width, height], what)
    t.not(one!.idrPicId, other!.idrPicId, what)
  }
})
