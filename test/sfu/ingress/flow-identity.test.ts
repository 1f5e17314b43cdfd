import test from 'ava'
import { FlowIdentity } from '../../../sfu/ingress/flow-identity.ts'

/** A stream of flow 2 whose receiver was opened again at 1000 ms. */
function reopened(): FlowIdentity {
  const identity = new FlowIdentity()
  identity.meaning({ type: 'connected', flowId: 2 })
  identity.reopened(1000)
  return identity
}

test('a sender that comes back to a receiver that was opened again never went', (t) => {
  const identity = reopened()
  t.is(identity.meaning({ type: 'connected', flowId: 2 }), null)
  t.false(identity.lostAt(100_000))
  t.is(identity.meaning({ type: 'lost', flowId: 2 }), 'lost')
  t.is(identity.meaning({ type: 'returned', flowId: 2 }), 'returned')
})

test('another publisher takes the place', (t) => {
  t.is(reopened().meaning({ type: 'connected', flowId: 4 }), 'replaced')
})

test('nobody comes back: the sender is lost, once, and told when it does', (t) => {
  const identity = reopened()
  t.false(identity.lostAt(5999))
  t.true(identity.lostAt(6000))
  t.false(identity.lostAt(7000))
  t.is(identity.meaning({ type: 'connected', flowId: 2 }), 'returned')
})

test('the events of a receiver that was not opened again mean what they say', (t) => {
  const identity = new FlowIdentity()
  for (const type of ['connected', 'lost', 'returned', 'replaced'] as const)
    t.is(identity.meaning({ type, flowId: 2 }), type)
  t.false(identity.lostAt(100_000))
})
