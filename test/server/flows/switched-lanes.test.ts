import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import type { LaneInput, LaneRules, SwitchRules } from '../../../common/wire/switched-inputs.ts'
import { inputStreamId } from '../../../server/flows/lane-inputs.ts'
import { SwitchedLanes } from '../../../server/flows/switched-lanes.ts'
import { flowOf } from './flow-of.ts'

type Told = string | Partial<SwitchRules>

/** Lanes over streams that only write down what they are told. */
function rig({ full = false } = {}) {
  const told: Told[] = []
  const open = new Set<string>()
  const idsOf = (inputs: readonly { readonly id: string }[]) => inputs.map(({ id }) => id.slice(5)).join()
  const lanes = new SwitchedLanes({
    streams: {
      openSwitched({ streamId }, { inputs, rules }) {
        if (full) throw new CodedError('ports_exhausted', 'none left')
        open.add(streamId)
        told.push(`open ${idsOf(inputs)}`, rules)
      },
      switched: () => ({
        setInputs: (inputs) => void told.push(`inputs ${idsOf(inputs)}`),
        setRules: (rules) => void told.push(rules),
      }),
      close: async (_tenantId, streamId) => {
        open.delete(streamId)
        told.push('close')
      },
    },
    opened: ({ streamId }) => void told.push(`opened ${streamId}`),
    closed: ({ streamId }, reason) => void told.push(`closed ${streamId} ${reason}`),
  })
  return { lanes, told, open, news: () => told.splice(0) }
}

function inputOf(role: LaneInput['role'], priority: number, rules: LaneRules | null = null) {
  const input = { of: 'cam1', role, priority }
  const flow = flowOf(`${role}-${priority}`, { stream_id: inputStreamId('cam1', input), input })
  return { ...flow, input_rules: rules }
}

test('a lane is open as long as any input has a contract, with its inputs in order', async (t) => {
  const { lanes, news, open } = rig()
  lanes.add(inputOf('standby', 2))
  t.like(news(), { 0: 'open standby-2', 1: { auto: true, threshold_ms: 300 }, 2: 'opened cam1' })
  lanes.add(inputOf('primary', 2))
  lanes.add(inputOf('standby', 1))
  lanes.add(inputOf('primary', 1))
  t.deepEqual(news().slice(-1), ['inputs primary,primary-2,standby,standby-2'])
  t.is(lanes.find('t1', 'cam1')?.flows.length, 4)
  t.is(lanes.find('t2', 'cam1'), undefined)
  await lanes.remove(inputOf('primary', 1), 'revoked')
  t.deepEqual(news(), ['inputs primary-2,standby,standby-2'])
  for (const [role, priority] of [
    ['standby', 1],
    ['standby', 2],
    ['primary', 2],
  ] as const)
    await lanes.remove(inputOf(role, priority), 'expired')
  t.deepEqual(news().slice(-2), ['close', 'closed cam1 expired'])
  t.is(open.size, 0)
  // Nothing happens twice.
  await lanes.remove(inputOf('primary', 2), 'expired')
  t.deepEqual(news(), [])
})

test('the first input that fixes rules fixes them all; a renewal alone is not told', (t) => {
  const { lanes, news } = rig()
  lanes.add(inputOf('standby', 1, { threshold_ms: 2000, return_after_ms: null }))
  t.like(news()[1], { threshold_ms: 2000, return_after_ms: null })
  lanes.add(inputOf('standby', 1, { threshold_ms: 2000, return_after_ms: null }))
  t.deepEqual(news(), [])
  lanes.add(inputOf('primary', 1, { frozen_ms: 5000 }))
  t.like(news(), {
    0: 'inputs primary,standby',
    1: { threshold_ms: 300, return_after_ms: 5000, frozen_ms: 5000 },
  })
  lanes.add(inputOf('primary', 1))
  t.like(news(), { 0: { threshold_ms: 2000, return_after_ms: null, frozen_ms: null } })
})

test('a lane that can not be opened leaves nothing behind', (t) => {
  const { lanes, told } = rig({ full: true })
  t.throws(() => lanes.add(inputOf('primary', 1)), { code: 'ports_exhausted' })
  t.is(lanes.find('t1', 'cam1'), undefined)
  t.deepEqual(told, [])
})

test('an ordinary contract opens no lane', async (t) => {
  const { lanes, told } = rig()
  lanes.add(flowOf('c1'))
  await lanes.remove(flowOf('c1'), 'expired')
  t.deepEqual(told, [])
})
