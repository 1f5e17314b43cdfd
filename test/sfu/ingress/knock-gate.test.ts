import test from 'ava'
import { KnockGate } from '../../../sfu/ingress/knock-gate.ts'

test('a knock that came to nothing is not answered for half a minute; another source is', (t) => {
  const gate = new KnockGate(0)
  t.true(gate.answers('a', 0))
  gate.cameToNothing(10_000)
  // Its other link has been knocking all the time.
  t.false(gate.answers('a2', 10_500))
  t.false(gate.answers('a', 12_000))
  t.false(gate.answers('a2', 12_000))
  t.true(gate.answers('b', 12_000))
  t.true(gate.answers('a', 40_001))
})

test('a sender that begins in the second after a process ended is answered within three; a refused sender is not', (t) => {
  const gate = new KnockGate(0)
  t.true(gate.answers('wrong', 0))
  gate.cameToNothing(10_000)
  for (let now = 10_000; now < 13_000; now += 100)
    t.false(gate.answers('sender', now) || gate.answers('wrong', now))
  t.true(gate.answers('sender', 13_000))
  t.false(gate.answers('wrong', 39_900))
  t.true(gate.answers('wrong', 40_000))
})

test('who makes up sources gets a process a third of the time', (t) => {
  const gate = new KnockGate(0)
  let runs = 0
  const hour = 3_600_000
  for (let now = 0; now < hour; now += 100) {
    if (!gate.answers(`made-up-${now}`, now)) continue
    runs += 1
    now += 10_000
    gate.cameToNothing(now)
  }
  t.true(runs >= hour / 30_000 && runs <= hour / 30_000 + 9, `${runs}`)
})

test('the sender itself is answered at once, however often it comes and goes', (t) => {
  const gate = new KnockGate(0)
  for (let now = 0; now < 100_000; now += 1000) {
    t.true(gate.answers('a', now))
    gate.proved()
  }
})
