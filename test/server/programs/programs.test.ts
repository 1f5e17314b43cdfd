import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { codeOf } from '../auth/code-of.ts'
import { askerOf, principalOf, programRig, TENANT } from './program-rig.ts'

const ann = askerOf('ann')
const bob = askerOf('bob')

test('a program is a stream with inputs by name and by pattern, as they come and go', async (t) => {
  await using rig = await programRig()
  rig.streams.open(TENANT, 'cam-2')
  rig.streams.open('other', 'cam-1')
  const program = await rig.create('main', ['studio', 'cam-*'], { class: 'focus' })
  t.deepEqual(rig.source('main').inputs, ['studio', 'cam-2'])
  t.is(rig.source('main').rules.threshold_ms, 300)
  rig.streams.open(TENANT, 'cam-1')
  rig.streams.open(TENANT, 'secret-cam')
  await turn()
  t.deepEqual(rig.source('main').inputs, ['studio', 'cam-1', 'cam-2'])
  await rig.streams.close(TENANT, 'cam-1')
  await turn()
  t.deepEqual(rig.source('main').inputs, ['studio', 'cam-2'])
  t.deepEqual(rig.told, ['opened main', 'created main'])
  await rig.programs.remove(ann, program)
  t.is(rig.streams.switched(TENANT, 'main'), undefined)
  t.deepEqual(rig.told.slice(2), ['closed main', 'deleted main'])
  t.throws(() => rig.programs.get(TENANT, 'main'), { message: /no program "main"/ })
})

test('what may not be', async (t) => {
  await using rig = await programRig()
  rig.streams.open(TENANT, 'taken')
  await rig.create('a', ['cam'])
  await rig.create('b', ['a'])
  await rig.create('c', ['b'])
  await rig.create('d', ['c'])
  for (const [id, inputs, code] of [
    ['a', ['cam'], '409 stream_exists'],
    ['taken', ['cam'], '409 stream_exists'],
    ['e', ['d'], '409 program_too_deep'],
    ['x', ['secret-1'], '403 input_denied'],
    ['self', ['self'], '409 program_loop'],
    ['self', ['cam', 's*'], '409 program_loop'],
    ['x', ['*a*b*c*d*e*f*'], '400 bad_request'],
    ['x', ['*a*b*', '*c*d*', '*e*f*'], '400 bad_request'],
  ] as const)
    t.is(await codeOf(rig.create(id, inputs)), code, `${id}: ${inputs}`)
  t.is(rig.programs.list(TENANT).length, 4)
  t.deepEqual(rig.streams.list().length, 5)
  const principal = principalOf('mona')
  const change = (id: string, inputs: string[], version = 1) =>
    rig.programs.change(principal, rig.programs.get(TENANT, id), { inputs }, 'r', (now) => {
      if (now !== version) throw new Error(`version ${now}`)
    })
  t.is(await codeOf(change('a', ['d'])), '409 program_loop')
  t.is(await codeOf(change('a', ['cam', 'd*'])), '409 program_loop')
  t.is(await codeOf(change('a', ['secret-1'])), '403 input_denied')
  t.is(await codeOf(change('a', ['cam-2'], 7)), 'Error: version 1')
  t.deepEqual(rig.source('a').inputs, ['cam'])
  await change('d', ['cam', 'dog'])
  t.deepEqual(rig.source('d').inputs, ['cam', 'dog'])
  rig.programs.get(TENANT, 'd').preview(ann, 'dog')
  await change('d', ['cam', 'cam'], 2)
  t.deepEqual(rig.source('d').inputs, ['cam'])
  t.is(rig.source('d').status.preview, null)
  t.is(rig.programs.get(TENANT, 'd').version, 3)
})

test('two changes at once that would make a loop together: one of them is refused', async (t) => {
  await using rig = await programRig()
  await rig.create('a', ['cam'])
  await rig.create('b', ['cam'])
  const change = (id: string, input: string) =>
    rig.programs.change(principalOf('m'), rig.programs.get(TENANT, id), { inputs: [input] }, 'r', () => {})
  t.deepEqual(await Promise.all([codeOf(change('a', 'b')), codeOf(change('b', 'a'))]), [
    'ok',
    '409 program_loop',
  ])
  const both = await Promise.all([codeOf(rig.create('y', ['z'])), codeOf(rig.create('z', ['y']))])
  t.deepEqual(both, ['ok', '409 program_loop'])
})

test('a tenant has 50 programs, whoever asks at once', async (t) => {
  await using rig = await programRig()
  const codes = await Promise.all(Array.from({ length: 60 }, (_, n) => codeOf(rig.create(`p${n}`, ['cam']))))
  t.is(codes.filter((code) => code === 'ok').length, 50)
  t.is(codes.filter((code) => code === '409 too_many_programs').length, 10)
})

test('takes happen one after the other, and answer when they happened', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1', 'cam-2'])
  const source = rig.source('main')
  source.instant = false
  for (const input of ['cam-1', 'cam-2']) source.health(input, 'healthy')
  const first = program.take(ann, { input: 'cam-1' })
  const second = program.take(bob, { input: 'cam-2' })
  await turn()
  t.deepEqual(source.takes, ['cam-1'])
  source.waiting.shift()!.happen()
  t.deepEqual(await first, { program_id: 'main', input: 'cam-1', at_unix_ms: 1001, capture_unix_ms: null })
  await turn()
  t.deepEqual(source.takes, ['cam-1', 'cam-2'])
  source.waiting.shift()!.happen()
  t.is((await second).at_unix_ms, 1002)
  t.like(program.view(), { on_air: 'cam-2', slate: false, switches: 2, sound_of: 'cam-2' })
  source.show('slate', 'silent')
  t.like(program.view(), { on_air: null, slate: true })
})

test('a take with a time happens then, whatever the date is set to while it waits', async (t) => {
  const HOUR = 3_600_000
  for (const stepMs of [-HOUR, 0, HOUR]) {
    const date = { aheadMs: 0 }
    const clock = { wall: () => Date.now() + date.aheadMs, steady: () => Date.now() }
    await using rig = await programRig({ clock })
    const program = await rig.create('main', ['cam-1'])
    const source = rig.source('main')
    source.health('cam-1', 'healthy')
    const at_unix_ms = clock.wall() + 600
    const taken = program.take(ann, { input: 'cam-1', at_unix_ms })
    date.aheadMs = stepMs
    await taken
    const [time = Number.NaN] = source.times
    t.true(Math.abs(time - stepMs - at_unix_ms) < 50, `${stepMs}: ${time - stepMs - at_unix_ms}`)
    t.true(Date.now() >= at_unix_ms - 500, `${stepMs}: it waited`)
  }
})

test('a take that is refused leaves on air what is on air', async (t) => {
  await using rig = await programRig()
  rig.streams.open(TENANT, 'dog')
  rig.streams.open('other', 'theirs')
  const program = await rig.create('main', ['cam-1', 'cam-2'])
  rig.source('main').health('cam-1', 'healthy')
  await program.take(ann, { input: 'cam-1' })
  const now = rig.time.now
  for (const [request, code] of [
    [{ input: 'cam-2' }, '409 input_not_live'],
    // There, and no input; another tenant's; nowhere: all the same.
    [{ input: 'dog' }, '404 input_not_found'],
    [{ input: 'theirs' }, '404 input_not_found'],
    [{ input: 'ghost' }, '404 input_not_found'],
    [{ input: 'cam-1', audio: 'dog' }, '404 input_not_found'],
    [{ input: 'cam-1', at_unix_ms: now + 61_000 }, '400 bad_request'],
    [{ input: 'cam-1', at_unix_ms: now - 6000 }, '400 bad_request'],
  ] as const)
    t.is(await codeOf(program.take(ann, request)), code, JSON.stringify(request))
  t.is(program.view().on_air, 'cam-1')
  t.is(rig.refused.length, 7)
  t.like(rig.refused[0], { action: 'program.take', outcome: 'input_not_live', actor: 'user:ann' })
})

test('the same request id has the same answer, also while it is under way, for the same asker', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1', 'cam-2'])
  const source = rig.source('main')
  source.instant = false
  source.health('cam-1', 'healthy')
  const request = { input: 'cam-1', request_id: 'one' }
  const asked = Array.from({ length: 5 }, () => program.take(ann, request))
  await turn()
  t.is(source.waiting.length, 1)
  t.is(await codeOf(program.take(ann, { ...request, input: 'cam-2' })), '409 request_reused')
  source.waiting.shift()!.happen()
  const answers = await Promise.all([...asked, program.take(ann, request)])
  t.is(new Set(answers.map((each) => JSON.stringify(each))).size, 1)
  t.deepEqual(source.takes, ['cam-1'])
  // Another asker's id is another id.
  const other = program.take(bob, request)
  await turn()
  source.waiting.shift()!.happen()
  t.not((await other).at_unix_ms, answers[0]!.at_unix_ms)
  // A refusal is an answer, too; a failure is not.
  const dead = { input: 'cam-2', request_id: 'two' }
  t.is(await codeOf(program.take(ann, dead)), '409 input_not_live')
  source.health('cam-2', 'healthy')
  t.is(await codeOf(program.take(ann, dead)), '409 input_not_live')
  rig.time.now += 600_000
  const later = program.take(ann, dead)
  await turn()
  source.waiting.shift()!.fail(new Error('the switch process died'))
  await t.throwsAsync(later, { message: /died/ })
  const again = program.take(ann, dead)
  await turn()
  source.waiting.shift()!.happen()
  t.is((await again).input, 'cam-2')
})

test('a take that waited longer than its asker may cut does not happen', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1'])
  const source = rig.source('main')
  source.instant = false
  source.health('cam-1', 'healthy')
  const first = program.take(ann, { input: 'cam-1' })
  let may = true
  const second = codeOf(program.take({ ...bob, mayStill: () => may }, { input: 'cam-1' }))
  await turn()
  may = false
  source.waiting.shift()!.happen()
  await first
  t.is(await second, '403 denied')
  t.is(source.takes.length, 1)
})

test('a flood of takes is bounded', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1'])
  const source = rig.source('main')
  source.instant = false
  source.health('cam-1', 'healthy')
  const codes = Array.from({ length: 100 }, () => codeOf(program.take(ann, { input: 'cam-1' })))
  for (let left = 32; left > 0; left -= 1) {
    await turn()
    source.waiting.shift()!.happen()
  }
  const counts = Object.groupBy(await Promise.all(codes), (code) => code)
  t.is(counts['ok']?.length, 32)
  t.is(counts['429 too_many_requests']?.length, 68)
})

test('a lock says who cuts, lasts while its holder cuts, and can be broken with the right', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1'])
  rig.source('main').health('cam-1', 'healthy')
  await program.lock(ann, { seconds: 60, break: false }, false)
  const codes = async () => [
    await codeOf(program.take(bob, { input: 'cam-1' })),
    await codeOf(program.setAuto(bob, true)),
    await codeOf((async () => program.preview(bob, 'cam-1'))()),
    await codeOf(program.lock(bob, { seconds: 60, break: false }, true)),
    await codeOf(program.lock(bob, { seconds: 60, break: true }, false)),
    await codeOf(program.unlock(bob, false)),
  ]
  t.deepEqual(new Set(await codes()), new Set(['409 program_locked']))
  rig.time.now += 50_000
  await program.take(ann, { input: 'cam-1' })
  rig.time.now += 50_000
  t.deepEqual(new Set(await codes()), new Set(['409 program_locked']))
  t.like(program.view().lock, { holder: 'user:ann', expires_at: rig.time.now + 10_000 })
  await program.lock(bob, { seconds: 60, break: true }, true)
  t.is(await codeOf(program.take(ann, { input: 'cam-1' })), '409 program_locked')
  t.is(await codeOf(program.take(bob, { input: 'cam-1' })), 'ok')
  await program.unlock(ann, true)
  t.is(program.view().lock, null)
  await program.lock(ann, { seconds: 60, break: false }, false)
  rig.time.now += 60_000
  t.is(program.view().lock, null)
  t.is(await codeOf(program.take(bob, { input: 'cam-1' })), 'ok')
})

test('programs go on after a restart: inputs, what is on air, the lock, the priority', async (t) => {
  await using store = await openMemoryStore()
  await using before = await programRig({}, { store })
  const made = await before.create('main', ['cam-1', 'cam-2'], { audio: 'hold' })
  await before.create('gone', ['cam-1'])
  for (const input of ['cam-1', 'cam-2']) before.source('main').health(input, 'healthy')
  await made.take(ann, { input: 'cam-2' })
  await made.lock(ann, { seconds: 3600, break: false }, false)
  await made.setPriority(200, { ...before.refused[0]!, ...audit })
  await before.programs.remove(ann, before.programs.get(TENANT, 'gone'))

  // As after kill -9: nobody closed the first hub.
  await using rig = await programRig({}, { store })
  t.deepEqual(
    rig.programs.list(null).map(({ id }) => id),
    ['main'],
  )
  const program = rig.programs.get(TENANT, 'main')
  const source = rig.source('main')
  t.like(program.view(), {
    audio: 'hold',
    auto: false,
    lock: { holder: 'user:ann' },
    on_air: null,
    version: 1,
  })
  t.is(program.state.priority, 200)
  t.is(source.resume, 'cam-2')

  // A hub with another id has programs of its own in the same database.
  await using other = await programRig({ hubId: 'other' }, { store })
  t.deepEqual(other.programs.list(null), [])
  t.is(await codeOf(other.create('main', ['cam-1'])), 'ok')
})

const audit = {
  tenant_id: TENANT,
  at: 0,
  actor: 'user:ann',
  action: 'stream.priority',
  object: 'stream/main',
  outcome: 'done',
  detail: {},
}

test('a store that is away keeps nobody from cutting', async (t) => {
  const store = await openMemoryStore()
  const away = { now: false }
  const write: typeof store.write = async (...args) => {
    if (away.now) throw new Error('no database')
    return await store.write(...args)
  }
  await using rig = await programRig({
    store: { get: store.get.bind(store), list: store.list.bind(store), write },
  })
  const program = await rig.create('main', ['cam-1', 'cam-2'])
  const source = rig.source('main')
  for (const input of ['cam-1', 'cam-2']) source.health(input, 'healthy')
  away.now = true
  t.is(await codeOf(program.take(ann, { input: 'cam-2' })), 'ok')
  t.true(rig.errors.length > 0)
  t.is(await codeOf(rig.create('more', ['cam-1'])), 'Error: no database')
  t.is(rig.streams.switched(TENANT, 'more'), undefined)
  away.now = false
  await program.take(ann, { input: 'cam-1' })
  const actions = (await store.auditPage(TENANT, { limit: 100 })).map(({ action }) => action)
  t.deepEqual(actions, ['program.create', 'program.take', 'program.take'])
})

test('a program that is deleted is off the air at once, though the store answers late', async (t) => {
  const store = await openMemoryStore()
  const gate = { now: Promise.resolve() }
  const write: typeof store.write = async (...args) => {
    await gate.now
    return await store.write(...args)
  }
  const late: Pick<typeof store, 'get' | 'list' | 'write'> = {
    get: store.get.bind(store),
    list: store.list.bind(store),
    write,
  }
  await using rig = await programRig({ store: late })
  const program = await rig.create('main', ['cam-1'])
  rig.source('main').health('cam-1', 'healthy')
  const open = Promise.withResolvers<void>()
  gate.now = open.promise
  const cut = program.take(ann, { input: 'cam-1' })
  await turn()
  const removed = rig.programs.remove(ann, program)
  await turn()
  t.is(rig.streams.switched(TENANT, 'main'), undefined)
  open.resolve()
  await Promise.all([cut, removed])
  await rig.create('main', ['cam-2'])
  t.deepEqual(rig.source('main').inputs, ['cam-2'])
})

test('what is taken by hand counts until auto is asked for anew', async (t) => {
  await using rig = await programRig()
  const program = await rig.create('main', ['cam-1', 'cam-2'], { auto: true })
  const source = rig.source('main')
  t.true(source.rules.auto)
  const set: boolean[] = []
  const setRules = source.setRules.bind(source)
  source.setRules = (rules) => {
    set.push(rules.auto)
    setRules(rules)
  }
  await program.setAuto(ann, true)
  t.deepEqual(set, [false, true])
  source.show('cam-2', 'silent')
  await program.setAuto(ann, false)
  t.deepEqual(program.state.on_air, 'cam-2')
  t.false(program.view().auto)
})
