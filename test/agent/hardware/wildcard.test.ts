import test from 'ava'
import { fitsWildcard } from '../../../agent/hardware/network/wildcard.ts'

const CASES = [
  ['docker0', 'docker*', true],
  ['mydocker0', 'docker*', false],
  ['wwan0', 'wwan?', true],
  ['wwan', 'wwan?', false],
  ['wwan10', 'wwan?', false],
  ['eth0', 'eth0', true],
  ['eth01', 'eth0', false],
  ['eth', 'eth0', false],
  ['', '', true],
  ['', '*', true],
  ['a', '', false],
  ['abcabd', '*ab?', true],
  ['abcabc', 'a*b*c', true],
  ['/devices/platform/usb1/1-1.2:1.4/net/wwan0', '/*/1-1.2:*', true],
  ['/devices/platform/usb1/1-1.3:1.4/net/wwan0', '/*/1-1.2:*', false],
  // Nothing but * and ? means anything.
  ['a.c', 'a.c', true],
  ['abc', 'a.c', false],
  ['1', '{1..9}', false],
  ['a', '[a]', false],
  ['aa', '+(a)', false],
] as const
for (const [text, pattern, fits] of CASES)
  test(`"${text}" ${fits ? 'fits' : 'does not fit'} "${pattern}"`, (t) => {
    t.is(fitsWildcard(text, pattern), fits)
  })

test('no pattern of a document takes long', (t) => {
  const from = performance.now()
  for (const pattern of ['*a'.repeat(100), '{,a}'.repeat(16), '{1..99999999}', '+(a|aa)'.repeat(9)])
    t.false(fitsWildcard(`${'a'.repeat(4000)}b`, pattern))
  t.true(performance.now() - from < 1000)
})
