import test from 'ava'
import { shown } from '../../../agent/cli/say.ts'

for (const [what, text, expected] of [
  ['plain lines', 'cam1: live\n  42 °C ä\n', 'cam1: live\n  42 °C ä\n'],
  ['an escape of a terminal', 'no\u001b[2J\u001b]0;x\u0007', 'no\u{fffd}[2J\u{fffd}]0;x\u{fffd}'],
  ['a carriage return that hides a line', 'FAULT\rok   ', 'FAULT\u{fffd}ok   '],
  ['controls of one byte', 'a\u009bb\u007f', 'a\u{fffd}b\u{fffd}'],
] as const)
  test(`shows ${what}`, (t) => {
    t.is(shown(text), expected)
  })
