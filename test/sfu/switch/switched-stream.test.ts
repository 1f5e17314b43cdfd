import test from 'ava'
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
