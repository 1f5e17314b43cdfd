import { mock } from 'node:test'
import test from 'ava'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import { LayerClaims } from '../../sfu/layer-claims.ts'

test('layers are asked for at once, and given up a while after nobody wants them', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const told: LayerDemand[] = []
  let watching = 0
  using claims = new LayerClaims(
    () => watching,
    (demand) => told.push(demand),
  )
  const last = () => told.at(-1)?.video.filter(Boolean).length
  claims.changed()
  mock.timers.tick(60_000)
  t.is(last(), 1, 'without viewers the lowest layer stays')
  t.true(told.at(-1)!.audio)

  watching = 1
  const tile = claims.add()
  t.is(last(), 4, 'who says nothing wants everything')
  tile.want({ spatial: 0, audio: false })
  mock.timers.tick(7_000)
  t.is(last(), 4)
  mock.timers.tick(2_000)
  t.deepEqual(told.at(-1), { video: [true, false, false, false], audio: false })

  watching = 2
  const large = claims.add()
  large.want({ spatial: 2, audio: true })
  mock.timers.tick(9_000)
  t.deepEqual(told.at(-1), { video: [true, true, true, false], audio: true })
  watching = 3
  claims.changed()
  t.is(last(), 4, 'a viewer without a claim wants everything')
  watching = 2
  tile[Symbol.dispose]()
  watching = 1
  large.want({ spatial: null, audio: true })
  mock.timers.tick(9_000)
  t.deepEqual(told.at(-1), { video: [true, false, false, false], audio: true })
  mock.timers.reset()
})
