import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import type { Program } from '../../../common/supervision/child.ts'
import { ChildWatch } from '../../../common/supervision/child-watch.ts'
import { type ChildEnd, Supervisor, type SupervisorOptions } from '../../../common/supervision/supervisor.ts'
import { descendants } from '../../support/processes.ts'
import { until } from '../../support/until.ts'

const said = z.discriminatedUnion('type', [
  z.object({ type: z.literal('up') }),
  z.object({ type: z.literal('echo'), echo: z.string() }),
])
const PACE = { initialMs: 100, maxMs: 400, factor: 2, healthyMs: 10_000 }
const OUR_PROGRAM = resolve(import.meta.dirname, 'child-main.ts')

/** Starts of children are what these tests spend their time on. */
const CACHE = resolve(import.meta.dirname, '../../../.cache/compile')

type Said = z.infer<typeof said>

/** A supervisor of a child that behaves so; each of a list of behaviours is the next process's, the last one stays. */
function supervise(
  behaviours: readonly string[],
  { startMs = 5000, ...more }: Partial<SupervisorOptions<Said>> & { readonly startMs?: number } = {},
) {
  const stack = new AsyncDisposableStack()
  const watch = stack.use(new ChildWatch())
  const heard: Said[] = []
  const ends: ChildEnd[] = []
  const troubles: string[] = []
  const left = [...behaviours]
  const program = (): Program => ({
    entry: OUR_PROGRAM,
    env: { BEHAVES: left.length > 1 ? left.shift()! : left[0]!, NODE_COMPILE_CACHE: CACHE },
  })
  const supervisor: Supervisor<{ echo: string }, Said> = stack.use(
    new Supervisor<{ echo: string }, Said>({
      name: 'test',
      program,
      said,
      pace: PACE,
      stopWithinMs: 1000,
      silence: { watch, startMs: startMs, workMs: 1000 },
      trouble: (kind, what) => troubles.push(`${kind}: ${what}`),
      heard: (message) => {
        heard.push(message)
        if (message.type === 'up') supervisor.working()
      },
      ended: (end) => ends.push(end),
      ...more,
    }),
  )
  return { supervisor, heard, ends, troubles, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const alive = (pid: number): boolean => descendants(process.pid).includes(pid)

test('a process that speaks is left alone, hears what it is told, and ends when it is asked to', async (t) => {
  const open = supervise(['speaks'])
  await using _ = open
  await until(() => open.heard.length > 0, 'it speaks')
  const pid = open.supervisor.child!.pid!
  open.supervisor.tell({ echo: 'hello' })
  await until(
    () => open.heard.some((message) => message.type === 'echo' && message.echo === 'hello'),
    'its answer',
  )
  const askedAt = performance.now()
  await open.supervisor[Symbol.asyncDispose]()
  t.true(performance.now() - askedAt < 1000)
  t.false(alive(pid))
  t.is(open.supervisor.child, null)
  t.deepEqual(open.ends, [])
  t.like(open.supervisor.counts, { starts: 1, failures: 0, hangs: 0, broken: 0, stray: 0 })
})

// Serial: others would be late with a parent that stands still, and beside children that take a core.
test.serial('the parent that stands still kills nobody', async (t) => {
  await using open = supervise(['speaks'])
  await until(() => open.heard.length > 0, 'it speaks')
  await new Promise<void>((done) =>
    setImmediate(() => {
      for (const end = performance.now() + 2500; performance.now() < end; );
      done()
    }),
  )
  const before = open.heard.length
  await until(() => open.heard.length > before + 60, 'all that was said meanwhile, and more')
  t.deepEqual(open.ends, [])
})

/** A process that behaves like this is ended and replaced by one that speaks. */
const replaced = test.macro(
  async (t: ExecutionContext, behaves: string, how: RegExp, counts: object, startMs?: number) => {
    await using open = supervise([behaves, 'speaks'], startMs === undefined ? {} : { startMs })
    await until(() => open.supervisor.child, 'it was started')
    const { pid } = open.supervisor.child!
    // A process that loops on a starved machine is slow for a while.
    await until(() => open.ends.length === 1, 'its end is told', 40_000)
    t.regex(open.ends[0]!.how, how)
    t.false(open.ends[0]!.retired)
    const before = open.heard.length
    await until(() => open.heard.length > before + 3, 'its successor speaks')
    t.not(open.supervisor.child!.pid, pid)
    t.false(alive(pid!))
    t.like(open.supervisor.counts, { starts: 2, failures: 1, hangs: 0, broken: 0, ...counts })
    const [kind] = Object.keys(counts)
    t.deepEqual(
      open.troubles.map((what) => what.split(': ')[0]).filter((told) => told !== 'stray'),
      kind === undefined ? [] : [kind],
    )
  },
)

test.serial('one that crashes is replaced', replaced, 'crashes', /^SIGSEGV$/, {})
test.serial(
  'one that ends before it speaks is replaced',
  replaced,
  'ends before it speaks',
  /^exit code 3$/,
  {},
)
test.serial('one that loops is killed', replaced, 'loops', /^SIGKILL$/, { hangs: 1 })
test.serial('one that never speaks is killed', replaced, 'never speaks', /^SIGKILL$/, { hangs: 1 }, 1500)
test.serial('one that says what is no JSON is killed', replaced, 'says no JSON', /^SIGKILL$/, { broken: 1 })
test.serial('one that says random bytes is killed', replaced, 'says random bytes', /^SIGKILL$/, { broken: 1 })
test.serial('one whose message never ends is killed', replaced, 'says a message without end', /^SIGKILL$/, {
  broken: 1,
})
test.serial('one that floods is killed', replaced, 'floods', /^SIGKILL$/, { broken: 1 })
test.serial('one that floods with stray messages is killed', replaced, 'floods with nothing', /^SIGKILL$/, {
  broken: 1,
})

test('one that was stopped is killed', async (t) => {
  await using open = supervise(['speaks'])
  await until(() => open.heard.length > 0, 'it speaks')
  process.kill(open.supervisor.child!.pid!, 'SIGSTOP')
  await until(() => open.ends.length === 1, 'it is ended')
  t.deepEqual(open.ends, [{ how: 'SIGKILL', retired: false, againMs: 0 }])
  t.is(open.supervisor.counts.hangs, 1)
})

test('signals to the group end nobody; one that does not end when it is asked to is killed', async (t) => {
  await using open = supervise(['ignores the end'], { stopWithinMs: 400 })
  await until(() => open.heard.length > 0, 'it speaks')
  const pid = open.supervisor.child!.pid!
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(pid, signal)
  const before = open.heard.length
  await until(() => open.heard.length > before + 5, 'it goes on speaking')
  const askedAt = performance.now()
  await open.supervisor[Symbol.asyncDispose]()
  const took = performance.now() - askedAt
  t.true(took >= 390 && took < 2000, `${took} ms`)
  t.false(alive(pid))
})

test('messages outside the protocol are counted, and the process goes on', async (t) => {
  await using open = supervise(['strays'])
  await until(() => open.heard.length > 10, 'it goes on speaking')
  t.true(open.heard.every(({ type }) => type === 'up'))
  t.like(open.supervisor.counts, { starts: 1, failures: 0, stray: 20 })
  t.is(open.troubles.length, 5)
  t.regex(open.troubles[0]!, /^stray: test process \d+ said what is not in its protocol: type: /)
})

test('a process that is told what is not in its protocol ends and is replaced', async (t) => {
  await using open = supervise(['speaks'])
  await until(() => open.heard.length > 0, 'it speaks')
  const pid = open.supervisor.child?.pid
  open.supervisor.child!.send({ secret: 'a passphrase' })
  await until(() => open.ends.length === 1, 'it ends')
  t.is(open.ends[0]?.how, 'exit code 1')
  await until(() => open.supervisor.child?.pid !== pid, 'its successor')
})

test('the last word of a process that fails is heard before its end is told', async (t) => {
  const words: string[] = []
  await using open = supervise(['fails', 'speaks'], {
    heard: (message) => words.push(message.type === 'echo' ? message.echo : message.type),
    ended: ({ how }) => words.push(how),
  })
  await until(() => words.includes('exit code 1'), 'its end')
  t.deepEqual(words.slice(0, 3), ['up', 'a last word', 'exit code 1'])
  t.truthy(open)
})

test('what can not be started is tried again, at growing distances', async (t) => {
  const waits: number[] = []
  let now = 0
  await using open = supervise(['speaks'], {
    program: () => ({ command: '/nonexistent/program', args: [], env: {} }),
    clock: {
      now: () => now,
      pause: async (ms, signal) => {
        waits.push(ms)
        now += ms
        await delay(1, undefined, { signal })
      },
    },
  })
  await until(() => open.ends.length >= 6, 'six tries')
  t.regex(open.ends[0]!.how, /^could not start: .*ENOENT/)
  for (const [index, most] of [100, 200, 400, 400].entries())
    t.true(waits[index]! > most / 2 - 1 && waits[index]! <= most, `${waits}`)
})

test('each start waits until it is needed; one that is retired is no failure', async (t) => {
  let knock = Promise.withResolvers<void>()
  await using open = supervise(['speaks'], { needed: () => knock.promise })
  await delay(50)
  t.is(open.supervisor.child, null)
  knock.resolve()
  await until(() => open.heard.length > 0, 'it speaks')
  knock = Promise.withResolvers()
  open.supervisor.retire()
  open.supervisor.retire()
  await until(() => open.ends.length === 1, 'it ends')
  t.deepEqual(open.ends, [{ how: 'exit code 0', retired: true, againMs: 0 }])
  t.is(open.supervisor.counts.failures, 0)
  await delay(50)
  t.is(open.supervisor.child, null)
  knock.resolve()
  await until(() => open.supervisor.counts.starts === 2, 'the next one')
})

test('what is in the way of a start is told, and tried again', async (t) => {
  const failures: unknown[] = []
  await using open = supervise(['speaks'], {
    needed: async () => {
      if (failures.length < 2) throw new Error('no port')
    },
    failed: (error) => failures.push(error),
  })
  await until(() => open.heard.length > 0, 'it speaks')
  t.is(failures.length, 2)
  t.deepEqual(open.ends, [])
})

test('one that is closed before it is needed starts nothing', async (t) => {
  const knock = Promise.withResolvers<void>()
  const open = supervise(['speaks'], { needed: () => knock.promise })
  const closed = open.supervisor[Symbol.asyncDispose]()
  knock.resolve()
  await closed
  t.is(open.supervisor.counts.starts, 0)
  await open[Symbol.asyncDispose]()
})
