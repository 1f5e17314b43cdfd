import { setTimeout as wait } from 'node:timers/promises'
import test from 'ava'
import { machineMs } from '../../../common/clock.ts'
import { CodedError } from '../../../common/errors.ts'
import { UdpSocket } from '../../../common/net/udp-socket.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { Seeded } from '../../policy/seeded.ts'
import { openSwitched, type SwitchedRig } from '../../support/switched-rig.ts'
import { until } from '../../support/until.ts'

/** What the input on air sends in place of each of its packets. */
type Alter = (packet: Buffer, kind: 'video' | 'audio') => readonly Buffer[]

const changed = (packet: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(packet)
  change(copy)
  return copy
}
const atTime = (packet: Buffer, change: (timestamp: number) => number) =>
  changed(packet, (copy) => copy.writeUInt32BE(change(packet.readUInt32BE(4)) >>> 0, 4))
const atNumber = (packet: Buffer, change: (sequence: number) => number) =>
  changed(packet, (copy) => copy.writeUInt16BE(change(packet.readUInt16BE(2)) & 0xffff, 2))
const payloadAt = (packet: Buffer) => ((packet[0]! & 0x10) !== 0 ? 20 : 12)
const withPayload = (packet: Buffer, payload: Buffer) =>
  Buffer.concat([packet.subarray(0, payloadAt(packet)), payload])
const once = (alter: (packet: Buffer, count: number) => readonly Buffer[]): Alter => {
  let count = 0
  return (packet, kind) => {
    if (kind === 'audio') return [packet]
    count += 1
    return alter(packet, count)
  }
}
const random = new SeededRandom('hostile input')
const HOUR = 3600 * 90_000

const HOSTILE: readonly (readonly [what: string, alter: Alter])[] = [
  ['numbers jump ahead', once((packet) => [atNumber(packet, (n) => n + 40_000)])],
  ['numbers jump back', once((packet) => [atNumber(packet, (n) => n - 2000)])],
  ['numbers at random', once((packet) => [atNumber(packet, () => random.below(65_536))])],
  ['times jump ahead by hours', (packet) => [atTime(packet, (ticks) => ticks + 5 * HOUR)]],
  ['times jump back by hours', (packet) => [atTime(packet, (ticks) => ticks - 5 * HOUR)]],
  ['times at random', (packet) => [atTime(packet, () => random.below(2 ** 32))]],
  ['each picture is hours after the one before', once((packet, n) => [atTime(packet, () => n * 6 * HOUR)])],
  ['one time for all', (packet) => [atTime(packet, () => 7)]],
  [
    'a parameter set in each packet',
    once((packet) => [withPayload(packet, Buffer.from([0x67, 0x42, 0, 1]))]),
  ],
  ['a STAP-A without end', once((packet) => [withPayload(packet, Buffer.from([24, 0xff, 0xff, 0x67]))])],
  ['no payload', once((packet) => [packet, withPayload(packet, Buffer.alloc(0))])],
  ['one byte', once((packet) => [withPayload(packet, Buffer.from([0x41]))])],
  [
    'padding alone',
    once((packet) => [
      changed(withPayload(packet, Buffer.from([0, 0, 0, 4])), (copy) => {
        copy[0]! |= 0x20
      }),
    ]),
  ],
  [
    'more padding than there is',
    once((packet) => [
      changed(withPayload(packet, Buffer.from([0x41, 0x9a, 0xff])), (copy) => {
        copy[0]! |= 0x20
      }),
    ]),
  ],
  ['a header that is cut off', once((packet) => [packet.subarray(0, 14)])],
  ['noise', (packet) => [changed(packet, (copy) => copy.fill(random.below(256), payloadAt(copy)))]],
  [
    'many packets',
    once((packet, n) =>
      Array.from({ length: 200 }, (_, index) =>
        atNumber(
          atTime(packet, (ticks) => ticks + index),
          () => n * 200 + index,
        ),
      ),
    ),
  ],
]

/** How far the lane's clock is from where it should be, s. */
function offBy({ switched }: SwitchedRig): number {
  const { epochMs, offset90k, last90k } = switched.clock
  return (last90k - offset90k - (machineMs() - epochMs) * 90) / 90_000
}

for (const [what, alter] of HOSTILE)
  test.serial(`an input whose publisher breaks the rules harms nobody else: ${what}`, async (t) => {
    await using rig = await openSwitched(['cam-1', 'cam-2'])
    await rig.shows(1, 'the first input')
    const { pid } = rig.switched
    const [bad] = rig.inputs.values()
    bad!.source.alter = alter
    bad!.source.keyframe()
    await wait(700)
    await rig.switched.take('cam-2')
    const from = rig.packets.length
    await rig.shows(2, 'the second input')
    await until(() => rig.packets.slice(from).filter(({ kind }) => kind === 'audio').length > 10, 'its sound')
    t.is(rig.switched.pid, pid, 'the process lives')
    t.true(Math.abs(offBy(rig)) < 20, `the lane's clock is off by ${offBy(rig)} s`)
    const after = rig.packets.slice(from).filter(({ mark, kind }) => mark === 2 && kind === 'video')
    for (const [index, packet] of after.slice(1).entries())
      t.is((packet.sequence - after[index]!.sequence) & 0xffff, 1, 'its packets follow each other')
    bad!.source.alter = (packet) => [packet]
    bad!.source.keyframe()
    await until(() => rig.switched.status.inputs[0]?.state === 'healthy', 'it is well again')
    await rig.switched.take('cam-1')
    await rig.shows(1, 'it, once it keeps the rules')
    t.true(Math.abs(offBy(rig)) < 20, `the lane's clock is off by ${offBy(rig)} s in the end`)
  })

test('without a free port an input whose port is taken stays silent, and the hub lives', async (t) => {
  // One for the lane, one for each input.
  await using rig = await openSwitched(['cam-1'], { ports: 5 })
  await rig.shows(1, 'the input')
  const pid = rig.switched.pid!
  process.kill(pid, 'SIGSTOP')
  rig.switched.setInputs([{ id: 'cam-1' }, { id: 'cam-2' }])
  const taken = [2, 3].flatMap((index) => {
    try {
      return [UdpSocket.open('127.0.0.1', rig.firstPort + index, {})]
    } catch {
      return []
    }
  })
  process.kill(pid, 'SIGCONT')
  await until(
    () => rig.recorded.some(([name, , , what]) => name === 'error' && /rtp_ports/.test(String(what))),
    'the want of a port is told',
  )
  for (const socket of taken) socket[Symbol.dispose]()
  await rig.shows(1, 'the other input all the same')
  t.is(rig.switched.pid, pid)
})

test('takes, kills, stops, and inputs that come and go, in any order: the lane goes on', async (t) => {
  const random = new Seeded(14)
  const ids = ['cam-1', 'cam-2', 'cam-3']
  await using rig = await openSwitched(ids, { rules: { auto: true } })
  const { switched } = rig
  const signal = (name: NodeJS.Signals) => {
    // The process may be away, or end just now.
    try {
      if (switched.pid !== undefined) process.kill(switched.pid, name)
    } catch {}
  }
  const answers: Promise<unknown>[] = []
  for (const end = performance.now() + 4000; performance.now() < end; await wait(random.int(0, 150))) {
    const dice = random.next()
    if (dice < 0.6) answers.push(switched.take(random.pick(ids)).catch((error: unknown) => error))
    else if (dice < 0.68) signal('SIGKILL')
    else if (dice < 0.76) {
      signal('SIGSTOP')
      await wait(random.int(10, 200))
      signal('SIGCONT')
    } else if (dice < 0.84) switched.setInputs(ids.slice(random.int(0, 2)).map((id) => ({ id })))
    else if (dice < 0.9) rig.inputs.get(random.pick(ids))!.source.pause()
    else for (const { source } of rig.inputs.values()) source.resume()
  }
  for (const { source } of rig.inputs.values()) source.resume()
  switched.setInputs(ids.map((id) => ({ id })))
  for (const answer of await Promise.all(answers))
    if (answer instanceof Error) t.true(answer instanceof CodedError)
  const states = () => switched.status.inputs.map(({ state }) => state)
  await until(() => states().every((state) => state === 'healthy'), 'all inputs are well')
  const { pid } = switched
  signal('SIGSTOP')
  await until(() => switched.pid !== undefined && switched.pid !== pid, 'a process that hangs is replaced')
  await until(() => states().every((state) => state === 'healthy'), 'its successor hears all inputs')
  for (const [index, id] of ids.entries()) {
    await switched.take(id)
    await rig.shows(index + 1, id)
  }
  const last = new Map<number, number>()
  for (const { ssrc, timestamp } of rig.packets) {
    t.true(((timestamp - (last.get(ssrc) ?? timestamp)) | 0) >= 0, 'no timestamp goes back')
    last.set(ssrc, timestamp)
  }
  t.is(new Set(rig.packets.map(({ ssrc }) => ssrc)).size, 2)
})
