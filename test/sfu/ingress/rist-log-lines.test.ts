import test from 'ava'
import { loggedAs, RistLogLines } from '../../../sfu/ingress/rist-log-lines.ts'

test('no flood of packets fills the log, however its lines differ, and other lines are written', (t) => {
  const lines = new RistLogLines()
  let written = 0
  let unwritten = 0
  const sent = 10_000
  for (let each = 0; each < sent; each += 1) {
    // Of each kind a thousand a second, for ten seconds in all.
    const message = `Packet too small: ${each % 2 === 0 ? 1 : 2} bytes, ignoring ...`
    const said = lines.next({ level: 'warn', message }, each)
    if (said !== null) {
      written += 1
      unwritten += said.unwritten ?? 0
    }
  }
  t.is(written, 2 * (20 + 9))
  t.true(unwritten > 8000 && unwritten + written <= sent)
  t.deepEqual(lines.next({ level: 'warn', message: 'peer 7 is gone' }, sent), {})
  let peers = 0
  for (let each = 0; each < 1000; each += 1)
    if (lines.next({ level: 'warn', message: `peer ${each} is gone` }, sent) !== null) peers += 1
  t.is(peers, 19)
  t.deepEqual(lines.next({ level: 'error', message: 'something else' }, sent), {})
})

test('what librist says each second of a stream that makes pauses is for debugging; the hub judges silence itself', (t) => {
  t.is(loggedAs({ level: 'error', message: 'stream is dead (1829 ms), re-initializing flow' }), 'debug')
  t.is(loggedAs({ level: 'error', message: 'something else' }), 'warn')
  t.is(loggedAs({ level: 'info', message: 'peer 7 is gone' }), 'debug')
})
