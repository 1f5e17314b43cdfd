import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { YamlParser } from '../../../server/api/yaml-parser.ts'
import { until } from '../../support/until.ts'

/** Takes a parser of YAML a third of a second at least. */
const SLOW = `[${Array.from({ length: 4500 }, (_, index) => `&${index} x,*${index}`).join(',')}]`.slice(
  0,
  65_000,
)

const ME = { caller: 'me', tenantId: 't1' }
const MALLORY = { caller: 'mallory', tenantId: 't9' }

test('YAML means what JSON would, and what is wrong is told with its line', async (t) => {
  await using yaml = new YamlParser()
  t.deepEqual(await yaml.parse('a: { b: [1, two, null, true] }\n"c d": |\n  x\n  y\n', ME), {
    a: { b: [1, 'two', null, true] },
    'c d': 'x\ny\n',
  })
  t.is(await yaml.parse('', ME), null)
  const wrong = async (text: string) => {
    const error = await t.throwsAsync(yaml.parse(text, ME), { code: 'bad_request' })
    return Reflect.get(error ?? {}, 'details')
  }
  t.regex(String(await wrong('a: 1\nb: [1')), /^body: line 2: /)
  t.deepEqual(await wrong('a: 1\na: 2'), ['body: a stands twice'])
  t.deepEqual(await wrong('__proto__: 1'), ['body: no field may be named __proto__'])
  t.deepEqual(await wrong('{'.repeat(300)), ['body: nested too deeply'])
})

test('what takes too long is refused, and holds up nobody after it', async (t) => {
  await using yaml = new YamlParser({ limitMs: 100 })
  await yaml.parse('a: 1', ME)
  const error = await t.throwsAsync(yaml.parse(SLOW, ME), { code: 'bad_request' })
  t.is(error?.message, 'the YAML takes too long to read')
  t.deepEqual(await yaml.parse('a: 1', ME), { a: 1 })
})

// This test and the next hold up the event loop. Beside them, SLOW is over before a timer sees that it takes too long.
test.serial('time in which the hub itself stands still is not held against a body', async (t) => {
  await using yaml = new YamlParser({ limitMs: 1000 })
  await yaml.parse('a: 1', ME)
  // The thread begins with it, and ends while nobody listens.
  const refused = t.throwsAsync(yaml.parse(SLOW.slice(0, 40_000), ME), { code: 'bad_request' })
  await delay(50)
  // Here a timer that is due meanwhile comes before what waits to be heard.
  setImmediate(() => {
    for (const end = performance.now() + 1500; performance.now() < end; );
  })
  t.is((await refused)?.message, 'the body is not YAML')
})

test.serial('only CPU time counts: beside busy threads a body takes longer, and is read', async (t) => {
  const loops = Array.from(
    { length: 4 * availableParallelism() },
    () => new Worker('for (;;);', { eval: true }),
  )
  try {
    await using yaml = new YamlParser({ limitMs: 800 })
    await yaml.parse('a: 1', ME)
    const text = `[${'{a: [b]},'.repeat(1500)}]`
    const from = performance.now()
    t.is(((await yaml.parse(text, ME)) as unknown[]).length, 1500)
    t.log(`${Math.round(performance.now() - from)} ms`)
  } finally {
    await Promise.all(loops.map((loop) => loop.terminate()))
  }
})

test('what takes too much memory is refused as well', async (t) => {
  await using yaml = new YamlParser({ limitMs: 30_000, memoryMb: 8 })
  const text = `[${'{a: [b]},'.repeat(7000)}]`
  const error = await t.throwsAsync(yaml.parse(text, ME), { code: 'bad_request' })
  t.is(error?.message, 'the YAML takes too much memory to read')
})

test('each caller has one body at a time, and not too many wait', async (t) => {
  await using yaml = new YamlParser({ limitMs: 100 })
  const first = t.throwsAsync(yaml.parse(SLOW, MALLORY), { code: 'bad_request' })
  await t.throwsAsync(async () => yaml.parse('a: 1', MALLORY), { code: 'too_many_requests' })
  const others = Array.from({ length: 16 }, (_, index) => {
    const sender = { caller: `caller ${index}`, tenantId: `t${index >> 2}` }
    return yaml.parse(`a: ${index}`, sender)
  })
  await t.throwsAsync(async () => yaml.parse('a: 1', { caller: 'one more', tenantId: 't9' }), {
    code: 'saturated',
  })
  await first
  t.deepEqual(
    await Promise.all(others),
    others.map((_, index) => ({ a: index })),
  )
})

test('a tenant with many tokens leaves others their turn, and who gave up is not read', async (t) => {
  await using yaml = new YamlParser({ limitMs: 100 })
  const gone = new AbortController()
  const mallory = (index: number) => ({ caller: `m${index}`, tenantId: 't1', signal: gone.signal })
  const first = t.throwsAsync(yaml.parse(SLOW, mallory(0)), { code: 'bad_request' })
  const waiting = [1, 2, 3].map((index) =>
    t.throwsAsync(yaml.parse(SLOW, mallory(index)), { message: 'gone' }),
  )
  await t.throwsAsync(async () => yaml.parse(SLOW, mallory(4)), { code: 'too_many_requests' })
  const other = yaml.parse('a: 1', { caller: 'bob', tenantId: 't2' })
  gone.abort(new Error('gone'))
  await Promise.all([first, ...waiting])
  t.deepEqual(await other, { a: 1 })
  await t.throwsAsync(async () => yaml.parse('a: 1', mallory(5)), { message: 'gone' })
})

test('the thread ends when nobody sends YAML, and begins again', async (t) => {
  await using yaml = new YamlParser({ idleMs: 50 })
  t.false(yaml.runs)
  await yaml.parse('a: 1', ME)
  t.true(yaml.runs)
  await until(() => !yaml.runs, 'the thread is gone')
  t.deepEqual(await yaml.parse('a: 2', ME), { a: 2 })
})

test('a parser that is closed lets go of who waits', async (t) => {
  const yaml = new YamlParser()
  const waiting = t.throwsAsync(yaml.parse(SLOW, ME), { code: 'draining' })
  await yaml[Symbol.asyncDispose]()
  await waiting
  await t.throwsAsync(async () => yaml.parse('a: 1', ME), { code: 'saturated' })
})
