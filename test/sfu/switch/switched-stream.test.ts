import test from 'ava'
import { UdpSocket } from '../../../common/net/udp-socket.ts'
import type { LanePacket } from '../../support/switched-rig.ts'
import { openSwitched } from '../../support/switched-rig.ts'
import { until } from '../../support/until.ts'

/** Each packet of an SSRC follows the packet before, whatever the input. */
function continuous(packets: readonly LanePacket[]): string[] {
  const faults: string[] = []
  const last = new Map<number, LanePacket>()
  for (const packet of packets) {
    const before = last.get(packet.ssrc)
    last.set(packet.ssrc, packet)
    if (!before) continue
    const step = (packet.sequence - before.sequence) & 0xffff
    if (step !== 1) faults.push(`${packet.kind}: sequence ${before.sequence} -> ${packet.sequence}`)
    const ticks = (packet.timestamp - before.timestamp) | 0
    if (ticks <= 0) faults.push(`${packet.kind}: timestamp ${before.timestamp} -> ${packet.timestamp}`)
  }
  return faults
}

test('a take puts another input on air: one continuous stream', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await rig.shows(1, 'the first input')
  t.is(rig.switched.status.on_air, 'cam-1')
  const result = await rig.switched.take('cam-2')
  t.is(result.input, 'cam-2')
  await rig.shows(2, 'the second input')
  t.is(rig.switched.status.on_air, 'cam-2')
  await rig.switched.take('cam-1')
  await rig.shows(1, 'the first input again')
  await until(() => rig.packets.length > 200, 'more packets')
  t.deepEqual(continuous(rig.packets), [])
  t.is(new Set(rig.packets.map(({ ssrc }) => ssrc)).size, 2)
})

test('an input that falls silent is replaced within the threshold, and returns after its time', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'], {
    rules: { threshold_ms: 300, return_after_ms: 1000 },
  })
  await rig.shows(1, 'the first input')
  rig.inputs.get('cam-1')!.source.pause()
  await rig.shows(2, 'the standby')
  t.like(rig.switched.status, { on_air: 'cam-2' })
  rig.inputs.get('cam-1')!.source.resume()
  await rig.shows(1, 'the first input again')
  t.deepEqual(continuous(rig.packets), [])
  const causes = rig.recorded.flatMap(([name, , event]) =>
    name === 'switched' ? [(event as { cause: string }).cause] : [],
  )
  t.deepEqual([...causes.slice(0, 2), causes.at(-1)], ['first', 'silent', 'returned'])
})

test('without an input the slate is shown, until an input is back', async (t) => {
  const unit = (id: number) =>
    Buffer.from([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x65, 0x88, 0x80, 200 + id])
  const asked: unknown[] = []
  let changed = (_tenantId: string): void => {}
  let made = 0
  await using rig = await openSwitched(['cam-1'], {
    slates: {
      pictures: async (sizes, about) => {
        asked.push(about)
        made += 1
        const first = (made - 1) * 2
        return sizes.map(() => [unit(first), unit(first + 1)])
      },
      onChange: (listener) => {
        changed = listener
        return () => {}
      },
    },
  })
  await rig.shows(1, 'the input')
  rig.inputs.get('cam-1')!.source.pause()
  await rig.shows(200, 'the slate')
  await rig.shows(201, 'its other picture')
  t.deepEqual(rig.stream.state, { state: 'input_lost', slate: true })
  t.is(rig.switched.status.on_air, 'slate')
  changed('another tenant')
  changed(rig.stream.spec.tenantId)
  await rig.shows(202, 'the slate with another picture of the tenant')
  const silence = rig.packets.findLast(({ kind }) => kind === 'audio')!
  t.deepEqual([...silence.payload], [0xfc, 0xff, 0xfe])
  rig.inputs.get('cam-1')!.source.resume()
  await rig.shows(1, 'the input again')
  t.is(rig.stream.state.state, 'live')
  t.deepEqual(continuous(rig.packets), [])
  t.like(asked[0], { name: 'program' })
  t.deepEqual(asked[1], asked[0])
  const before = rig.packets.length
  rig.inputs.get('cam-1')!.source.pause()
  await rig.shows(204, 'the slate of another outage')
  t.false(
    rig.packets.slice(before).some(({ mark }) => mark >= 200 && mark < 204),
    'nothing of the last slate',
  )
})

test('a switch process that is killed goes on with the same input and the same SSRCs', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await rig.shows(1, 'the first input')
  await rig.switched.take('cam-2')
  await rig.shows(2, 'the second input')
  process.kill(rig.switched.pid!, 'SIGKILL')
  await until(() => rig.recorded.some(([name]) => name === 'switchDied'), 'its death is told')
  await rig.shows(2, 'the second input, by a successor')
  t.is(rig.switched.status.on_air, 'cam-2')
  t.is(new Set(rig.packets.map(({ ssrc }) => ssrc)).size, 2)
  const backward = continuous(rig.packets).filter((fault) => fault.includes('timestamp'))
  t.deepEqual(backward, [])
})

test('a take while the process is being killed is carried out by its successor', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await rig.shows(1, 'the first input')
  await until(() => rig.switched.status.inputs.every(({ state }) => state === 'healthy'), 'both are healthy')
  process.kill(rig.switched.pid!, 'SIGKILL')
  t.is((await rig.switched.take('cam-2')).input, 'cam-2')
  await rig.shows(2, 'the second input')
})

test('an input with fewer layers fills all of the lane', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'], { renditions: 2 })
  await rig.shows(1, 'the first input')
  await rig.inputs.get('cam-2')!.close()
  await rig.open('cam-2', 9, 1)
  await until(() => rig.switched.status.inputs[1]?.state === 'healthy', 'the second input is there')
  await rig.switched.take('cam-2')
  await rig.shows(9, 'the second input')
  const from = rig.packets.length
  await until(() => rig.packets.length > from + 100, 'more')
  const ssrcs = new Set(
    rig.packets
      .slice(from)
      .filter(({ mark, kind }) => mark === 9 && kind === 'video')
      .map(({ ssrc }) => ssrc),
  )
  t.is(ssrcs.size, 2)
  t.regex(rig.stream.state.reduced ?? '', /1 of 2 picture sizes/)
  t.deepEqual(continuous(rig.packets), [])
})

for (const auto of [true, false]) {
  const decides = auto ? 'the rules decide' : 'hands decide'
  test(`a take whose input sends no keyframe is refused in time, and what is on air stays: ${decides}`, async (t) => {
    await using rig = await openSwitched(['cam-1', 'cam-2'], { rules: { auto } })
    await rig.shows(1, 'the first input')
    await until(
      () => rig.switched.status.inputs.every(({ state }) => state === 'healthy'),
      'both are healthy',
    )
    const { source } = rig.inputs.get('cam-2')!
    source.answering = false
    const from = rig.packets.length
    await t.throwsAsync(rig.switched.take('cam-2'), { code: 'keyframe_late' } as never)
    source.keyframe()
    await rig.shows(1, 'the first input all the same')
    const pictures = rig.packets.slice(from).filter(({ kind }) => kind === 'video')
    t.deepEqual([...new Set(pictures.map(({ mark }) => mark))], [1])
    const pauses = pictures.slice(1).map(({ at }, index) => at - pictures[index]!.at)
    t.true(Math.max(...pauses) < 1000, `a pause of ${Math.max(...pauses)} ms`)
    t.like(rig.switched.status, { on_air: 'cam-1', switches: 1 })
    source.answering = true
    t.is((await rig.switched.take('cam-2')).input, 'cam-2')
    t.deepEqual(continuous(rig.packets), [])
  })

  test(`a take whose input falls silent before it is on air changes nothing: ${decides}`, async (t) => {
    await using rig = await openSwitched(['cam-1', 'cam-2', 'cam-3'], { rules: { auto, threshold_ms: 300 } })
    await rig.shows(1, 'the first input')
    await until(() => rig.switched.status.inputs.every(({ state }) => state === 'healthy'), 'all are healthy')
    await rig.switched.take('cam-2')
    const { source } = rig.inputs.get('cam-3')!
    source.answering = false
    const taken = rig.switched.take('cam-3')
    source.pause()
    await t.throwsAsync(taken, { code: 'input_not_live' } as never)
    await rig.shows(2, 'the second input all the same')
    t.like(rig.switched.status, { on_air: 'cam-2', switches: 2 })
  })
}

test('an input of sound alone is no input yet, and says why; pictures make it one', async (t) => {
  await using rig = await openSwitched(['cam-1'])
  await rig.open('radio', 9, 0)
  rig.switched.setInputs([{ id: 'radio' }, { id: 'cam-1' }])
  const radio = () => rig.switched.status.inputs.find(({ id }) => id === 'radio')
  await until(() => radio()?.reason !== undefined, 'why it is none')
  t.like(radio(), { state: 'absent', reason: 'it sends sound and no pictures', renditions: 0 })
  const refused = await t.throwsAsync(rig.switched.take('radio'), { code: 'input_not_live' } as never)
  t.regex(refused.message, /radio is absent \(it sends sound and no pictures\)/)
  await rig.shows(1, 'the camera')
  t.is(rig.switched.status.on_air, 'cam-1')
  await rig.inputs.get('radio')!.close()
  await rig.open('radio', 8)
  await until(() => radio()?.state === 'healthy', 'it is one')
  t.is((await rig.switched.take('radio')).input, 'radio')
  await rig.shows(8, 'its pictures')
})

test('an input that leaves out its upper layer is on air all the same, and taken again at once', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'], { renditions: 2 })
  await until(() => rig.switched.status.inputs.every(({ state }) => state === 'healthy'), 'both are healthy')
  rig.inputs.get('cam-2')!.source.renditions = 1
  t.is((await rig.switched.take('cam-2')).input, 'cam-2')
  t.is((await rig.switched.take('cam-2')).input, 'cam-2')
  t.is(rig.switched.status.on_air, 'cam-2')
})

test('the slate is shown until the standby has a keyframe, if that is late', async (t) => {
  const unit = Buffer.from([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x65, 0x88, 0x80, 200])
  await using rig = await openSwitched(['cam-1', 'cam-2'], {
    slates: { pictures: async (sizes) => sizes.map(() => [unit, unit]), onChange: () => () => {} },
  })
  await rig.shows(1, 'the first input')
  await until(() => rig.switched.status.inputs.every(({ state }) => state === 'healthy'), 'both are healthy')
  const { source } = rig.inputs.get('cam-2')!
  source.answering = false
  rig.inputs.get('cam-1')!.source.pause()
  await rig.shows(200, 'the slate')
  t.is(rig.switched.status.on_air, 'slate')
  source.keyframe()
  await rig.shows(2, 'the standby')
  t.is(rig.stream.state.state, 'live')
  t.deepEqual(continuous(rig.packets), [])
})

test('a take of what a killed process had on air is answered by its successor', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await until(() => rig.switched.status.inputs.every(({ state }) => state === 'healthy'), 'both are healthy')
  await rig.switched.take('cam-2')
  process.kill(rig.switched.pid!, 'SIGKILL')
  t.is((await rig.switched.take('cam-2')).input, 'cam-2')
  await rig.shows(2, 'the second input')
})

test('of an input with more layers than the lane the largest feeds it, as soon as it flows', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await rig.shows(1, 'the first input')
  await rig.inputs.get('cam-2')!.close()
  const { source } = await rig.open('cam-2', 9, 3)
  source.renditions = 1
  await until(() => rig.switched.status.inputs[1]?.state === 'healthy', 'the second input is there')
  const layers = () =>
    new Set(
      rig.packets
        .slice(-20)
        .flatMap(({ kind, mark, layer }) => (kind === 'video' && mark === 9 ? [layer] : [])),
    )
  await rig.switched.take('cam-2')
  await until(() => layers().has(0), 'the smallest: nobody asked for more before')
  source.renditions = 3
  await until(() => layers().has(2) && layers().size === 1, 'the largest')
  source.renditions = 1
  await until(() => layers().has(0) && layers().size === 1, 'the smallest again')
  t.deepEqual(continuous(rig.packets), [])
})

test('takes of what is not there, or sends nothing, are refused, and what is on air stays', async (t) => {
  await using rig = await openSwitched(['cam-1', 'cam-2'])
  await rig.shows(1, 'the first input')
  await t.throwsAsync(rig.switched.take('cam-3'), { code: 'input_not_found' } as never)
  await rig.inputs.get('cam-2')!.close()
  await until(() => rig.switched.status.inputs[1]?.state === 'absent', 'the second input is gone')
  await t.throwsAsync(rig.switched.take('cam-2'), { code: 'input_not_live' } as never)
  t.is(rig.switched.status.on_air, 'cam-1')
})

test('a lane that can not have its inputs leaves no process and no port behind', async (t) => {
  await using rig = await openSwitched(['cam-1'])
  const { registry } = rig
  const spec = { tenantId: 'default', streamId: 'other', streamClass: 'director' as const }
  const { rules } = rig.switched
  const inputs = (...ids: string[]) => ids.map((id) => ({ id }))
  const WRONG: readonly (readonly [what: string, inputs: { id: string }[]])[] = [
    ['itself', inputs('cam-1', 'other')],
    ['twice', inputs('cam-1', 'cam-1')],
    ['nine', inputs(...'abcdefghi')],
  ]
  for (let round = 0; round < 30; round++)
    for (const [what, wrong] of WRONG)
      t.throws(
        () => registry.openSwitched(spec, { inputs: wrong, rules }),
        { code: 'bad_request' } as never,
        what,
      )
  t.is(registry.get('default', 'other'), undefined)
  registry.openSwitched(spec, { inputs: inputs('cam-1'), rules })
  const other = registry.switched('default', 'other')!
  await until(() => other.status.on_air === 'cam-1', 'it is there once its inputs are right')
})

test('an input whose port another program has gets another port', async (t) => {
  await using rig = await openSwitched(['cam-1'])
  await rig.shows(1, 'the input')
  const pid = rig.switched.pid!
  process.kill(pid, 'SIGSTOP')
  rig.switched.setInputs([{ id: 'cam-1' }, { id: 'cam-2' }])
  // The lane has the first port of the range, the first input the next. The process can't open its port yet.
  using _taken = firstFree(rig.firstPort + 2)
  process.kill(pid, 'SIGCONT')
  await rig.open('cam-2', 2)
  await until(
    () => rig.recorded.some(([name, , kind]) => name === 'error' && kind === 'input_port_taken'),
    'said',
  )
  await until(() => rig.switched.status.inputs[1]?.state === 'healthy', 'heard on another port')
  t.is(rig.switched.status.on_air, 'cam-1')
})

function firstFree(port: number): UdpSocket {
  try {
    return UdpSocket.open('127.0.0.1', port, {})
  } catch {
    return firstFree(port + 1)
  }
}
