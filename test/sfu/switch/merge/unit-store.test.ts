import test from 'ava'
import { UnitStore } from '../../../../sfu/switch/merge/unit-store.ts'
import { Seeded } from '../../../policy/seeded.ts'

const packet = (mark: number, length = 20) => Buffer.alloc(length, mark & 0xff)

test('a picture of any size that senders make is kept whole', (t) => {
  for (const [packets, bytes, kept] of [
    [1, 1, true],
    [640, 1200, true],
    // A keyframe of a 4K picture.
    [3000, 1200, true],
    [4096, 1500, true],
    [4097, 1200, false],
    [1, 1501, false],
  ] as const) {
    const store = new UnitStore()
    for (let round = 0; round < 3; round++) {
      store.begin()
      for (let index = 0; index < packets; index++) store.add(packet(index, bytes))
      const handle = store.end()
      t.is(handle >= 0, kept, `${packets} of ${bytes}`)
      if (handle < 0) continue
      t.is(store.packets(handle), packets)
      t.deepEqual(store.packet(handle, packets - 1), packet(packets - 1, bytes))
      store.release(handle)
    }
  }
})

test('units come back as they went in, whatever order they are let go in', (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Seeded(seed)
    const store = new UnitStore()
    const held = new Map<number, Buffer[]>()
    for (let step = 0; step < 400; step++) {
      if (random.chance(0.55)) {
        const packets = Array.from({ length: random.int(1, random.chance(0.1) ? 900 : 12) }, (_, index) =>
          packet(step + index, random.int(1, 60)),
        )
        store.begin()
        for (const each of packets) store.add(each)
        // Some units are given up before their end.
        if (random.chance(0.1)) continue
        const handle = store.end()
        if (handle >= 0) held.set(handle, packets)
        else t.true(held.size > 0, `seed ${seed}: only a full store keeps nothing`)
      } else if (held.size > 0) {
        const handle = random.pick([...held.keys()])
        store.release(handle)
        held.delete(handle)
      }
      for (const [handle, packets] of held) {
        if (!random.chance(0.1)) continue
        t.is(store.packets(handle), packets.length)
        const index = random.int(0, packets.length - 1)
        t.deepEqual(store.packet(handle, index), packets[index]!, `seed ${seed}, step ${step}`)
      }
    }
  }
})
