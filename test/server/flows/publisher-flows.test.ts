import test, { type ExecutionContext } from 'ava'
import { CodedError } from '../../../common/errors.ts'
import type { FlowEvent } from '../../../common/wire/flows-api.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { LivePublisherFlow } from '../../../server/flows/publisher-flow.ts'
import { PublisherFlows } from '../../../server/flows/publisher-flows.ts'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { SetClock } from '../../support/set-clock.ts'
import { until } from '../../support/until.ts'
import { flowOf } from './flow-of.ts'

const GRANTED: AuditDraft = {
  tenant_id: 't1',
  at: 1,
  actor: 'user:alice',
  action: 'publish',
  object: 'stream/cam-1',
  outcome: 'grant',
  detail: {},
}

const RAISED: AuditDraft = {
  ...GRANTED,
  action: 'stream.priority',
  outcome: 'done',
  detail: { priority: 200 },
}

/** Flows over a real store in memory, with media that is only written down. */
async function rig(t: ExecutionContext) {
  const memory = await openMemoryStore()
  t.teardown(() => memory[Symbol.asyncDispose]())
  const sealer = new Sealer(ephemeralKeyring())
  const failing: { with: CodedError | null } = { with: null }
  const store: Store = {
    queue: memory.queue,
    lastCommit: memory.lastCommit,
    get: (...about) => memory.get(...about),
    list: (...about) => memory.list(...about),
    auditPage: (...about) => memory.auditPage(...about),
    auditRows: (...about) => memory.auditRows(...about),
    auditHead: () => memory.auditHead(),
    auditStart: () => memory.auditStart(),
    cutAudit: (...about) => memory.cutAudit(...about),
    write: async (...about) => {
      if (failing.with) throw failing.with
      const versions = await memory.write(...about)
      written += 1
      return versions
    },
    [Symbol.asyncDispose]: async () => {},
  }
  const media: string[] = []
  const watched: string[] = []
  const told: string[] = []
  const writtenWhenTold: number[] = []
  let written = 0
  const errors: unknown[] = []
  const refuse: { open: CodedError | null } = { open: null }
  const clock = new SetClock()
  const open = (hubId = 'hub') =>
    new PublisherFlows({
      clock,
      store,
      sealer,
      hubId,
      media: {
        open: ({ contract, keys }) => {
          if (refuse.open) throw refuse.open
          media.push(`open ${contract.contract_id} ${keys?.passphrase}`)
        },
        close: async ({ contract }, reason) => void media.push(`close ${contract.contract_id} ${reason}`),
      },
      watcher: {
        running: ({ contract }) => watched.push(`${contract.contract_id} runs`),
        over: ({ contract }) => watched.push(`${contract.contract_id} over`),
        tell: ({ contract }, news) => {
          // True when it is told: what media and store had by then.
          told.push(`${contract.contract_id} ${news} after ${media.at(-1)?.split(' ', 2).join(' ')}`)
          writtenWhenTold.push(written)
        },
      },
      onError: (error) => errors.push(error),
    })
  const flows = open()
  t.teardown(() => flows[Symbol.dispose]())
  const stored = async () => (await memory.list('contract', null)).map(({ id }) => id)
  const outcomes = async () =>
    (await memory.auditPage(null, { limit: 100 })).map(({ action, outcome }) => `${action} ${outcome}`)
  return {
    memory,
    failing,
    refuse,
    media,
    watched,
    told,
    clock,
    writtenWhenTold,
    errors,
    flows,
    open,
    stored,
    outcomes,
  }
}

const OPENED = 'open c1 a passphrase of cam-1'

test('a flow that begins runs, is stored with sealed keys and is on record', async (t) => {
  const { flows, memory, media, stored, outcomes } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  t.deepEqual(media, [OPENED])
  t.is(flows.ofStream('t1', 'cam-1')?.contract.contract_id, 'c1')
  t.is(flows.ofStream('t2', 'cam-1'), undefined)
  t.deepEqual(await stored(), ['c1'])
  const text = JSON.stringify(await memory.get('contract', 't1', 'c1'))
  for (const secret of ['a passphrase of cam-1', 'a password']) t.false(text.includes(secret))
  t.deepEqual(await outcomes(), ['publish grant'])
})

test('of two at once one gets the stream, and the other is told', async (t) => {
  const { flows, media, stored } = await rig(t)
  const both = await Promise.allSettled([
    flows.begin(flowOf('c1'), GRANTED),
    flows.begin(flowOf('c2'), GRANTED),
  ])
  t.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  t.like(both[1], { reason: { code: 'stream_taken', status: 409 } })
  t.deepEqual(media, [OPENED])
  t.deepEqual(await stored(), ['c1'])
  // Another tenant's stream of the same name is another stream.
  await flows.begin(flowOf('c3', { tenant_id: 't2' }), { ...GRANTED, tenant_id: 't2' })
  t.is(flows.list().length, 2)
})

test('a store that fails leaves nothing running', async (t) => {
  const { flows, failing, media, watched, told, stored } = await rig(t)
  failing.with = new CodedError('store_unavailable', 'no database')
  await t.throwsAsync(flows.begin(flowOf('c1'), GRANTED), { message: 'no database' })
  t.deepEqual(media, [OPENED, 'close c1 revoked'])
  t.deepEqual(watched, ['c1 runs', 'c1 over'])
  t.deepEqual(told, [], 'nobody hears of what never was')
  t.deepEqual([flows.list(), flows.ofStream('t1', 'cam-1'), flows.get('c1')], [[], undefined, undefined])
  failing.with = null
  await flows.begin(flowOf('c2'), GRANTED)
  t.deepEqual(await stored(), ['c2'])
})

test('media that can not start leaves nothing stored', async (t) => {
  const { flows, refuse, told, stored, outcomes } = await rig(t)
  refuse.open = new CodedError('ports_exhausted', 'no port')
  await t.throwsAsync(flows.begin(flowOf('c1'), GRANTED), { message: 'no port' })
  t.deepEqual([flows.list(), told, await stored(), await outcomes()], [[], [], [], []])
})

test('a change is stored and told; changes at once are made one upon the other', async (t) => {
  const { flows, memory, told, writtenWhenTold } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  const events: FlowEvent[] = []
  const stop = flows.listen('c1', (event) => events.push(event))
  const next = (change: Partial<LivePublisherFlow['contract']>) =>
    flows.update('c1', async (running) => ({
      flow: {
        ...running,
        contract: { ...running.contract, ...change, version: running.contract.version + 1 },
      },
      audit: { ...GRANTED, action: 'reroute' },
    }))
  await Promise.all([next({ class: 'director' }), next({ mode: 'roaming' })])
  t.like(flows.get('c1')?.contract, { version: 3, class: 'director', mode: 'roaming' })
  t.deepEqual(
    events.map((event) =>
      event.type === 'contract' ? [event.contract.version, event.contract.class] : event,
    ),
    [
      [2, 'director'],
      [3, 'director'],
    ],
  )
  t.like(events[0], { contract: { keys: { passphrase: 'a passphrase of cam-1' } } })
  t.like((await memory.get('contract', 't1', 'c1'))?.body, { contract: { version: 3 } })
  stop()
  await next({})
  t.is(events.length, 2)
  // Where only the end of a contract moves, it is renewed.
  const open = 'after open c1'
  t.deepEqual(told, [`c1 granted ${open}`, `c1 updated ${open}`, `c1 updated ${open}`, `c1 renewed ${open}`])
  t.deepEqual(writtenWhenTold, [1, 2, 3, 4])
})

test('a change that the store refuses, or its maker, changes nothing', async (t) => {
  const { flows, failing } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  failing.with = new CodedError('store_unavailable', 'no database')
  const change = (version: number) =>
    flows.update('c1', async (running) => ({
      flow: { ...running, contract: { ...running.contract, version } },
      audit: GRANTED,
    }))
  await t.throwsAsync(change(2), { message: 'no database' })
  failing.with = null
  const refusal = new CodedError('no_path', 'no path')
  await t.throwsAsync(
    flows.update('c1', async () => {
      throw refusal
    }),
    { is: refusal },
  )
  t.is(flows.get('c1')?.contract.version, 1)
  // Neither blocks the next.
  t.is((await change(2)).contract.version, 2)
})

test('an end closes media, tells the holder and is on record; a change that waited does not bring it back', async (t) => {
  const { flows, media, told, stored, outcomes } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  const events: FlowEvent[] = []
  flows.listen('c1', (event) => events.push(event))
  const decided = Promise.withResolvers<void>()
  const change = flows.update('c1', async (running) => {
    await decided.promise
    return { flow: running, audit: GRANTED }
  })
  t.true(await flows.end('c1', 'revoked', 'user:bob', 'because'))
  decided.resolve()
  t.like(await t.throwsAsync(change), { code: 'contract_ended', status: 409 })
  t.deepEqual(media, [OPENED, 'close c1 revoked'])
  t.deepEqual(events, [{ type: 'ended', reason: 'revoked' }])
  t.deepEqual(await stored(), [])
  t.deepEqual(await outcomes(), ['publish grant', 'contract.end revoked'])
  t.false(await flows.end('c1', 'revoked', 'user:bob', 'again'))
  t.deepEqual(told, ['c1 granted after open c1', 'c1 revoked after close c1'])
  t.deepEqual(await outcomes(), ['publish grant', 'contract.end revoked'])
})

test('what is revoked while it begins is not granted', async (t) => {
  const { flows, media, told, stored } = await rig(t)
  const begun = flows.begin(flowOf('c1'), GRANTED)
  const ended = flows.end('c1', 'revoked', 'user:bob', 'because')
  t.like(await t.throwsAsync(begun), { code: 'contract_ended' })
  t.true(await ended)
  t.deepEqual([media, told, await stored()], [[OPENED, 'close c1 revoked'], [], []])
})

test("a contract that fails after its end leaves its stream's next contract alone", async (t) => {
  const { flows, failing, media } = await rig(t)
  failing.with = new CodedError('store_unavailable', 'no database')
  const begun = flows.begin(flowOf('c1'), GRANTED)
  failing.with = null
  // Before its failure is known.
  const ended = flows.end('c1', 'revoked', 'user:bob', 'because')
  const next = flows.begin(flowOf('c2'), GRANTED)
  await t.throwsAsync(begun, { message: 'no database' })
  await Promise.all([ended, next])
  t.deepEqual(media, [OPENED, 'close c1 revoked', 'open c2 a passphrase of cam-1'])
  t.is(flows.ofStream('t1', 'cam-1')?.contract.contract_id, 'c2')
})

test('an end carries through when the store fails, and is stored as soon as it can be', async (t) => {
  const { flows, failing, media, stored, outcomes } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  failing.with = new CodedError('store_unavailable', 'no database')
  await t.throwsAsync(flows.end('c1', 'revoked', 'user:bob', 'because'), { message: 'no database' })
  t.is(flows.get('c1'), undefined)
  t.is(media.at(-1), 'close c1 revoked')
  failing.with = null
  await until(async () => (await stored()).length === 0, 'the contract is deleted')
  t.deepEqual(await outcomes(), ['publish grant', 'contract.end revoked'])
})

test('hubs that share a database leave each other’s contracts alone', async (t) => {
  const { flows, open, stored, told } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  await flows.begin(flowOf('c2', { stream_id: 'cam-2', expires_at: Date.now() + 50 }), GRANTED)
  const other = open('hub-b')
  t.teardown(() => other[Symbol.dispose]())
  await until(() => told.some((news) => news.startsWith('c2 expired')), 'the first hub saw its contract end')
  await until(async () => (await stored()).length === 1, 'it is deleted', 2000)
  await other.restore(Date.now() + 3_600_000)
  t.deepEqual(other.list(), [])
  t.deepEqual(await stored(), ['c1'], 'not taken for one that ran out while its hub was down')
  await other.begin(flowOf('c3'), GRANTED)
  const again = open()
  t.teardown(() => again[Symbol.dispose]())
  await again.restore(Date.now())
  t.deepEqual(
    again.list().map(({ contract }) => contract.contract_id),
    ['c1'],
  )
})

test('a contract expires at its time, and a renewed one later', async (t) => {
  const { flows, media, stored } = await rig(t)
  await flows.begin(flowOf('c1', { expires_at: Date.now() + 200 }), GRANTED)
  await flows.begin(flowOf('c2', { stream_id: 'cam-2', expires_at: Date.now() + 200 }), GRANTED)
  await flows.update('c2', async (running) => ({
    flow: { ...running, contract: { ...running.contract, version: 2, expires_at: Date.now() + 60_000 } },
    audit: GRANTED,
  }))
  await until(() => media.includes('close c1 expired'), 'the end of c1', 2000)
  await until(async () => (await stored()).length === 1, 'it is deleted', 2000)
  t.deepEqual(
    flows.list().map(({ contract }) => contract.contract_id),
    ['c2'],
  )
})

test('after a restart contracts go on with their keys and priority; those that are over do not', async (t) => {
  const { flows, open, media, watched, told, stored, outcomes } = await rig(t)
  const running = { ...flowOf('c1'), priority: 200 }
  await flows.begin(flowOf('c1', { expires_at: running.contract.expires_at }), GRANTED)
  await flows.setPriority('c1', 200, RAISED)
  await flows.begin(flowOf('c2', { stream_id: 'cam-2', expires_at: Date.now() + 60_000 }), GRANTED)
  flows[Symbol.dispose]()
  media.length = 0

  using again = open()
  await again.restore(Date.now() + 1000)
  t.deepEqual(again.get('c1'), running)
  t.is(media.length, 2)
  t.deepEqual(watched.slice(2), ['c1 runs', 'c2 runs'])

  media.length = 0
  using late = open()
  await late.restore(Date.now() + 120_000)
  t.deepEqual([late.list(), media, await stored()], [[], [], []])
  t.deepEqual((await outcomes()).slice(3), ['contract.end expired', 'contract.end expired'])
  t.deepEqual(
    told.map((news) => news.split(' ', 2).join(' ')),
    ['c1 granted', 'c2 granted', 'c1 expired', 'c2 expired'],
  )
})

test('a contract that can not be taken up again blocks nobody', async (t) => {
  const { flows, open, refuse, errors, stored } = await rig(t)
  await flows.begin(flowOf('c1'), GRANTED)
  flows[Symbol.dispose]()
  refuse.open = new CodedError('ports_exhausted', 'no port')
  using again = open()
  await again.restore(Date.now())
  t.deepEqual([again.list(), errors, await stored()], [[], [refuse.open], []])
  refuse.open = null
  await t.notThrowsAsync(again.begin(flowOf('c2'), GRANTED))
})

for (const stepMs of [1_200_000, -1_200_000])
  test(`a contract lasts as long when the clock is set by ${stepMs} ms, and a restart finds it`, async (t) => {
    const { flows, open, clock, media, memory } = await rig(t)
    const granted = clock.wall()
    await flows.begin(flowOf('c1', { expires_at: granted + 60_000 }), GRANTED)
    await flows.begin(flowOf('c2', { stream_id: 'cam-2', expires_at: granted + 1500 }), GRANTED)
    clock.aheadMs += stepMs
    await flows.clockStepped()
    const expires_at = flows.get('c1')?.contract.expires_at ?? 0
    // Whole ms, of two clocks that were read one after the other.
    t.true(Math.abs(expires_at - (granted + 60_000 + stepMs)) <= 2)
    t.is(flows.get('c1')?.contract.version, 1, 'no term of it has changed')
    t.like((await memory.get('contract', 't1', 'c1'))?.body, {
      contract: { expires_at },
    })
    await until(() => media.includes('close c2 expired'), 'its own time', 4000)
    t.false(media.some((what) => what.startsWith('close c1')))
    flows[Symbol.dispose]()
    using again = open()
    await again.restore(clock.wall())
    t.deepEqual(
      again.list().map(({ contract }) => contract.contract_id),
      ['c1'],
    )
  })
