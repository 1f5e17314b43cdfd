import test from 'ava'
import type { Latency } from '../../common/wire/flow-contract.ts'
import { type Origins, originOf } from '../../server/flows/stream-origin.ts'
import { flowOf } from './flows/flow-of.ts'

const latency: Latency = {
  budget_ms: 200,
  estimate_ms: 100,
  stages: [
    { stage: 'buffer', ms: 90, source: 'computed' },
    { stage: 'forwarding', ms: 10, source: 'default' },
  ],
}

/** What each switched stream shows. */
const origins = (shown: Readonly<Record<string, string | null>>): Origins => ({
  publishers: {
    ofStream: (_tenant, streamId) => {
      if (streamId !== 'cam') return undefined
      const flow = flowOf('c-1')
      return { ...flow, contract: { ...flow.contract, latency } }
    },
  },
  switched: (_tenant, streamId) =>
    streamId in shown ? { status: { on_air: shown[streamId] ?? null } } : undefined,
})

test('the latency of a stream: its publisher, or what it shows and the switches on the way', (t) => {
  const from = origins({ main: 'cam', out: 'main', idle: null, dark: 'slate', loop: 'loop' })
  const upstream = (streamId: string) => originOf(from, 'tv1', streamId)?.upstream
  t.is(upstream('cam')?.estimate_ms, 100)
  t.is(upstream('main')?.estimate_ms, 103)
  t.is(upstream('out')?.estimate_ms, 106)
  t.deepEqual(upstream('out')?.stages[1], { stage: 'forwarding', ms: 16, source: 'default' })
  // There, and nobody knows how late.
  for (const streamId of ['idle', 'dark', 'loop']) t.is(upstream(streamId), null, streamId)
  t.is(originOf(from, 'tv1', 'ghost'), null)
})
