import test from 'ava'
import {
  askPtp,
  PORT_PROPERTIES,
  ptpAnswerIn,
  TIME_STATUS,
} from '../../../agent/hardware/timing/ptp-message.ts'
import { timestampingIn, timestampingOf } from '../../../agent/hardware/timing/timestamping.ts'
import { timingOf } from '../../../agent/hardware/timing/timing-facts.ts'
import { runNamespaced } from '../../support/namespaces.ts'

test('sync comes and goes with a master', async (t) => {
  t.log(await runNamespaced('ptp-watch.ts'))
  t.pass()
})

const NOTHING = { clock: null, hardware: false }
const PACING: readonly (readonly [qdiscs: readonly string[], pacing: string, qdisc: string | null])[] = [
  [[], 'agent', null],
  [['noqueue'], 'agent', 'noqueue'],
  [['pfifo_fast'], 'agent', 'pfifo_fast'],
  [['fq'], 'fq', 'fq'],
  [['mq', 'fq', 'fq'], 'fq', 'mq'],
  [['mq', 'fq', 'fq_codel'], 'agent', 'mq'],
  [['mq'], 'agent', 'mq'],
  [['etf'], 'agent', 'etf'],
  [['mqprio', 'etf', 'fq_codel'], 'txtime', 'mqprio'],
  [['taprio', 'pfifo'], 'txtime', 'taprio'],
]
for (const [qdiscs, pacing, qdisc] of PACING)
  test(`pacing by ${qdiscs.join(' over ') || 'nothing'}`, (t) =>
    t.like(timingOf('eth0', NOTHING, qdiscs, null), { pacing, qdisc, synchronised: false, offset_ns: null }))

test('a card has hardware time stamps where it stamps both ways', (t) => {
  const info = Buffer.alloc(44)
  info.writeInt32LE(-1, 8)
  t.deepEqual(timestampingIn(info), NOTHING)
  info.writeInt32LE(3, 8)
  info.writeUInt32LE(0x4 | 0x40, 4)
  t.deepEqual(timestampingIn(info), { clock: '/dev/ptp3', hardware: false })
  info.writeUInt32LE(0x7f, 4)
  t.deepEqual(timestampingIn(info), { clock: '/dev/ptp3', hardware: true })
  t.deepEqual(timestampingOf('lo'), NOTHING)
  t.deepEqual(timestampingOf('no-such-interface-at-all'), NOTHING)
})

test('only whole answers to our own questions are read', (t) => {
  for (const id of [TIME_STATUS, PORT_PROPERTIES]) {
    const question = askPtp(id, 7, 1)
    t.is(question.length, 54)
    t.is(question.readUInt8(0), 0x1d)
    t.is(ptpAnswerIn(question), null, 'a question is no answer')
    const answer = Buffer.concat([question, Buffer.alloc(60)])
    answer.writeUInt8(2, 46)
    answer.writeUInt8(4, 54 + 12)
    answer.write('eth0', 54 + 13)
    t.not(ptpAnswerIn(answer), null)
    for (let length = 0; length < 54 + 17; length += 1)
      t.notThrows(() => ptpAnswerIn(answer.subarray(0, length)))
    t.is(ptpAnswerIn(answer.subarray(0, 60)), null, 'what was cut says nothing')
  }
})
