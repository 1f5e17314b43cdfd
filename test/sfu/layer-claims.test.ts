import { mock } from 'node:test'
import test from 'ava'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import { LayerClaims, TOP_LAYER } from '../../sfu/layer-claims.ts'

test('layers are asked for at once, and given up a while after nobody wants them', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const told: LayerDemand[] = []
  using claims = new LayerClaims((demand) => told.push(demand))
  const last = () => told.at(-1)?.video.filter(Boolean).length
  claims.changed()
  mock.timers.tick(60_000)
  t.is(last(), 1, 'without viewers the lowest layer stays')
  t.true(told.at(-1)!.audio)

  const tile = claims.add({ spatial: TOP_LAYER, audio: true })
  t.is(last(), 4)
  tile.want({ spatial: 0, audio: false })
  mock.timers.tick(7_000)
  t.is(last(), 4)
  mock.timers.tick(2_000)
  t.deepEqual(told.at(-1), { video: [true, false, false, false], audio: false })

  const large = claims.add({ spatial: TOP_LAYER, audio: true })
  t.is(last(), 4, 'on at once')
  large.want({ spatial: 2, audio: true })
  mock.timers.tick(9_000)
  t.deepEqual(told.at(-1), { video: [true, true, true, false], audio: true })
  tile[Symbol.dispose]()
  large.want({ spatial: null, audio: true })
  mock.timers.tick(9_000)
  t.deepEqual(told.at(-1), { video: [true, false, false, false], audio: true })
  mock.timers.reset()
})
