import test from 'ava'
import { FlowCandidate } from '../../../sfu/ingress/rist-candidate.ts'

const noise = Buffer.alloc(1316, 1)

test('a transport stream is a flow with its first payload, wherever that is cut', (t) => {
  const ts = Buffer.alloc(1472)
  for (let at = 100; at < ts.length; at += 188) ts[at] = 0x47
  t.true(new FlowCandidate().admits(1, ts))
})

test('what one packet says under the wrong key is no flow, and is counted when the next one says another', (t) => {
  const candidate = new FlowCandidate()
  for (let flow = 0; flow < 100; flow++) t.false(candidate.admits(flow, noise))
  t.is(candidate.takeAccidents(), 99)
  t.is(candidate.takeAccidents(), 0)
})

test('a sender that goes on with something else is one', (t) => {
  const candidate = new FlowCandidate()
  for (let payload = 0; payload < 16; payload++) t.false(candidate.admits(7, noise))
  t.true(candidate.admits(7, noise))
  t.is(candidate.takeAccidents(), 0)
})
