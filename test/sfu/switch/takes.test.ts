import { setTimeout as wait } from 'node:timers/promises'
import test from 'ava'
import type { SwitchToHub } from '../../../common/wire/switch-ipc.ts'
import { Takes } from '../../../sfu/switch/takes.ts'

const AT = { at_unix_ms: 1, capture_unix_ms: null }
const LATER_MS = 40

/** What happens while a take of `a` waits for its time, and what is said and done in the end. */
const WAITING: readonly (readonly [
  what: string,
  meanwhile: (takes: Takes) => void,
  said: readonly string[],
  due: readonly string[],
])[] = [
  ['nothing', () => {}, [], ['a']],
  ['its input fails, and may be back by then', (takes) => takes.failed('a'), ['take_failed 1'], []],
  ['its input goes on air by the rules', (takes) => takes.done('a', AT), [], ['a']],
  ['another input fails', (takes) => takes.failed('b'), [], ['a']],
  [
    'another take',
    (takes) =>
      takes.add(
        { request: 2, input: 'b', audio: undefined, atMs: null },
        0,
        () => {},
        () => {},
      ),
    ['take_failed 1'],
    [],
  ],
  [
    'another take, and its input fails',
    (takes) => {
      takes.add(
        { request: 2, input: 'b', audio: undefined, atMs: null },
        0,
        () => {},
        () => {},
      )
      takes.failed('b')
    },
    ['take_failed 1', 'take_failed 2'],
    [],
  ],
]

test('a take that waits is carried out once it is due, and only while it is under way', async (t) => {
  for (const [what, meanwhile, said, dueInputs] of WAITING) {
    const told: string[] = []
    const done: string[] = []
    using takes = new Takes((message: SwitchToHub) => {
      if ('request' in message) told.push(`${message.type} ${message.request}`)
    })
    takes.add(
      { request: 1, input: 'a', audio: undefined, atMs: LATER_MS },
      0,
      ({ input }) => {
        done.push(input)
        takes.done(input, AT)
      },
      () => {},
    )
    meanwhile(takes)
    t.deepEqual(told, said, `${what}: before its time`)
    await wait(LATER_MS + 30)
    t.deepEqual(done, dueInputs, what)
    t.deepEqual(told.slice(said.length), dueInputs.length > 0 ? ['took 1'] : [], `${what}: after its time`)
  }
})
