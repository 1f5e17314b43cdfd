import test from 'ava'
import { LaneIdentity } from '../../../sfu/lane/lane-identity.ts'

/** Numbers of a lane after the death of the process that sent them. */
function lane() {
  const identity = new LaneIdentity('cam-1')
  const ssrcs = [identity.videoSsrc(0), identity.videoSsrc(1), identity.audioSsrc]
  const sequences = [100, 65_535, 7]
  identity.advance({ sequences: ssrcs.map((ssrc, index) => [ssrc, sequences[index]!]), clock: null }, 1_000)
  const steps = () => ssrcs.map((ssrc, index) => (identity.sequence(ssrc) - sequences[index]!) & 0xffff)
  return { identity, steps }
}

test('what a process may have sent after its last report is stepped over, once', (t) => {
  const { identity, steps } = lane()
  identity.resume(true, 1_500)
  t.deepEqual(steps(), [0, 0, 0], 'no process died')
  identity.processDied()
  identity.resume(true, 2_500)
  t.deepEqual(steps(), [600, 600, 600], 'modulo 2^16')
  identity.resume(true, 9_000)
  t.deepEqual(steps(), [600, 600, 600])
})

test('layers that were silent for long go on with a hole of one number, sound and a single layer do not', (t) => {
  for (const [layered, expected] of [
    [true, [1, 1, 600]],
    [false, [600, 600, 600]],
  ] as const) {
    const { identity, steps } = lane()
    identity.processDied()
    identity.resume(layered, 4_200)
    t.deepEqual(steps(), [...expected])
  }
})
