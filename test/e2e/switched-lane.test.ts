import test from 'ava'
import { cardClip } from '../support/card-clip.ts'
import { Chromium } from '../support/chromium.ts'
import { type ClipSender, startClipSender } from '../support/clip-sender.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { renegotiations } from '../support/input-screen.ts'
import { LaneWatchers } from '../support/lane-watchers.ts'
import { descendants, programOf } from '../support/processes.ts'
import { numbering, runsOf } from '../support/seen-inputs.ts'
import { switchProcesses } from '../support/switch-processes.ts'
import { TestProgram } from '../support/test-program.ts'
import { udpOwner } from '../support/udp-owner.ts'
import { until } from '../support/until.ts'

/**
 * One lane with two inputs, watched by the page, by a WHEP player and packet by packet, through cuts, lost inputs and
 * killed processes. The name in the picture says which input is on the screen.
 */

const INPUTS = ['cam-a', 'cam-b'] as const
const PROGRAM = 'lane'
/** The class's threshold, the pictures, the way, and a slow machine, ms. */
const TAKEOVER_WITHIN_MS = 10_000

let hub: TestHub
let program: TestProgram
let watchers: LaneWatchers
const senders = new Map<string, ClipSender>()
const resources = new AsyncDisposableStack()

test.before(async () => {
  hub = resources.use(
    await startHub(
      INPUTS.map((streamId) => ({ streamId, links: 1 })),
      { workers: 1 },
    ),
  )
  await letEverybodyWatch(hub)
  await Promise.all(INPUTS.map(send))
  resources.defer(async () => {
    for (const sender of senders.values()) await sender[Symbol.asyncDispose]()
  })
  program = resources.use(
    await TestProgram.create(hub, {
      program_id: PROGRAM,
      class: 'focus',
      inputs: INPUTS,
      return_after_ms: 1000,
    }),
  )
  await program.takeWhenHealthy('cam-a')
  const chromium = resources.use(await Chromium.launch())
  watchers = resources.use(await LaneWatchers.open(hub, chromium, PROGRAM, INPUTS))
})

test.after.always(() => resources.disposeAsync())

async function send(streamId: string): Promise<void> {
  const path = await cardClip({ name: streamId, seconds: 90 })
  senders.set(
    streamId,
    await startClipSender(hub.streams.get(streamId)!, { path, stamped: true, repeat: true }),
  )
}

test.serial('takes cut from one input to the other, and nothing else is to be seen', async (t) => {
  const before = await watchers.screen.connections()
  await watchers.screen.forget(1)
  for (const input of ['cam-b', 'cam-a', 'cam-b', 'cam-a']) {
    await program.preview(input)
    const from = Date.now()
    await program.take(input)
    await watchers.show(input, from)
  }
  await watchers.screen.look()
  t.deepEqual(
    runsOf(watchers.screen.shown).map(({ input }) => input),
    ['cam-a', 'cam-b', 'cam-a', 'cam-b', 'cam-a'],
  )
  t.deepEqual(numbering(watchers.screen.decoded), { lost: 0, again: 0 })
  t.is(renegotiations(before, await watchers.screen.connections()), 0)
  t.deepEqual(await watchers.faults(), [])
})

test.serial('the standby takes over from a sender that was killed, which returns by itself', async (t) => {
  await program.auto(true)
  const before = await watchers.screen.connections()
  await watchers.screen.forget(1)
  const killedAt = Date.now()
  await senders.get('cam-a')!.kill()
  await watchers.show('cam-b', killedAt, TAKEOVER_WITHIN_MS)
  const backAt = Date.now()
  await send('cam-a')
  await watchers.show('cam-a', backAt)
  await watchers.screen.look()
  t.deepEqual(
    runsOf(watchers.screen.shown).map(({ input }) => input),
    ['cam-a', 'cam-b', 'cam-a'],
  )
  t.is(renegotiations(before, await watchers.screen.connections()), 0)
  t.deepEqual(await watchers.faults(1), [])
})

test.serial('the standby takes over from an ingress that was killed', async (t) => {
  const pid = udpOwner(hub.streams.get('cam-a')!.ports[0]!, descendants(hub.pid))!
  const killedAt = Date.now()
  process.kill(pid, 'SIGKILL')
  await watchers.show('cam-b', killedAt, TAKEOVER_WITHIN_MS)
  await watchers.show('cam-a', Date.now())
  t.deepEqual(await watchers.faults(2), [])
})

test.serial('a killed switch process is replaced, and the same input goes on', async (t) => {
  const before = await watchers.screen.connections()
  await watchers.screen.forget(1)
  const [pid] = switchProcesses(hub.pid)
  process.kill(pid!, 'SIGKILL')
  const killedAt = Date.now()
  await until(() => switchProcesses(hub.pid).some((each) => each !== pid), 'another switch process')
  await watchers.show('cam-a', killedAt + 500)
  await watchers.screen.look()
  t.deepEqual(
    runsOf(watchers.screen.shown).map(({ input }) => input),
    ['cam-a'],
  )
  t.is(renegotiations(before, await watchers.screen.connections()), 0)
  t.deepEqual(await watchers.faults(3), [])
})

test.serial('without any input viewers get the slate, and the input again when it is back', async (t) => {
  const killedAt = Date.now()
  await Promise.all(Array.from(senders.values(), (sender) => sender.kill()))
  await watchers.show(null, killedAt, TAKEOVER_WITHIN_MS)
  t.is(watchers.werift.state, 'input_lost')
  const backAt = Date.now()
  await send('cam-b')
  await watchers.show('cam-b', backAt)
  await until(() => watchers.werift.state === 'live', 'live again')
  t.deepEqual(await watchers.faults(4), [])
  await send('cam-a')
  await watchers.show('cam-a', backAt)
})

test.serial('a killed worker is replaced, and viewers who join again see the input', async (t) => {
  const worker = descendants(hub.pid).find((pid) => programOf(pid).includes('mediasoup-worker'))!
  process.kill(worker, 'SIGKILL')
  const killedAt = Date.now()
  await until(() => watchers.werift.rejoins.length === 1, 'the request to join again')
  await watchers.screen.shows('cam-a', killedAt + 500)
  await program.onAir('cam-a')
  t.is(await hub.metric('service_restarts_total{service="worker"}'), 1)
})
