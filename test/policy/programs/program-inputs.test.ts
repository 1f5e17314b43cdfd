import test from 'ava'
import { compileGlob } from '../../../policy/glob.ts'
import { inputsNow } from '../../../policy/programs/program-inputs.ts'
import { Seeded } from '../seeded.ts'

const words = (text: string): string[] => text.split(' ').filter(Boolean)

for (const [what, given, inputs, leftOut] of [
  [
    'named streams are inputs before they are there',
    { wanted: 'cam-2 cam-1', streams: '' },
    'cam-2 cam-1',
    '',
  ],
  ['a pattern stands for what is there', { wanted: 'cam-*', streams: 'cam-2 dog cam-1' }, 'cam-1 cam-2', ''],
  [
    'the order is that of the list',
    { wanted: 'cam-2 cam-*', streams: 'cam-1 cam-2 cam-3' },
    'cam-2 cam-1 cam-3',
    '',
  ],
  [
    'inputs of standby are not meant by patterns',
    { wanted: 'cam*', streams: 'cam1 cam1.primary cam1.standby-2' },
    'cam1',
    '',
  ],
  ['inputs of standby can be named', { wanted: 'cam1.primary', streams: 'cam1.primary' }, 'cam1.primary', ''],
  [
    'denied streams are left out, and those of a pattern are not even named',
    { wanted: 'cam-* secret', streams: 'cam-1 secret cam-secret' },
    'cam-1',
    'secret denied',
  ],
  ['too many', { wanted: '*', streams: 'a b c d e' }, 'a b c', 'd full, e full'],
  [
    'who was there before stays',
    { wanted: '*', streams: 'a b c d e', present: 'c d e' },
    'c d e',
    'a full, b full',
  ],
  [
    'named streams have their places',
    { wanted: '* z', streams: 'a b c', present: 'a b c' },
    'a b z',
    'c full',
  ],
  ['on air stays though its stream is away', { wanted: '*', streams: 'a b c', held: 'x' }, 'a b x', 'c full'],
  ['what is no input any more is not held', { wanted: 'cam-*', streams: 'cam-1', held: 'x' }, 'cam-1', ''],
] as const)
  test(`inputs: ${what}`, (t) => {
    const { wanted, streams, present = '', held = '' } = given as Record<string, string>
    const answer = inputsNow({
      wanted: words(wanted!),
      streams: words(streams!),
      present: words(present),
      held: words(held),
      most: 3,
      mayShow: (id) => !id.includes('secret'),
    })
    t.is(answer.inputs.join(' '), inputs)
    t.is(answer.leftOut.map(({ id, reason }) => `${id} ${reason}`).join(', '), leftOut)
  })

test('whatever streams come and go, what is on air stays an input, and there are never too many', (t) => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Seeded(seed)
    const all = Array.from({ length: 12 }, (_, index) => `s${index}`)
    const wanted = random.shuffled(['s*', 's1?', 's3', 's9']).slice(0, random.int(1, 4))
    let streams = all.filter(() => random.chance(0.5))
    let present: readonly string[] = []
    let onAir: string | undefined
    for (let step = 0; step < 30; step++) {
      const id = random.pick(all)
      streams = streams.includes(id)
        ? streams.filter((each) => each !== id)
        : random.shuffled([...streams, id])
      const held = onAir === undefined ? [] : [onAir]
      const { inputs } = inputsNow({ wanted, streams, present, held, most: 4, mayShow: () => true })
      const why = `seed ${seed}, step ${step}`
      t.true(inputs.length <= 4, why)
      t.is(new Set(inputs).size, inputs.length, why)
      if (onAir !== undefined) t.true(inputs.includes(onAir), why)
      for (const input of inputs)
        t.true(
          wanted.some((each) => compileGlob(each)(input)),
          why,
        )
      // Nobody is pushed out by somebody new, unless the list names the new one.
      const pushed = present.filter((each) => streams.includes(each) && !inputs.includes(each))
      const came = inputs.filter((each) => !present.includes(each) && !wanted.includes(each))
      if (pushed.length > 0) t.deepEqual(came, [], why)
      present = inputs
      if (inputs.length > 0 && random.chance(0.3)) onAir = random.pick(inputs)
    }
  }
})
