import test from 'ava'
import { laneOfInput } from '../../policy/inputs/input-names.ts'
import { inputStreamId } from '../../server/flows/lane-inputs.ts'

test('the names of inputs are known for what they are, and no other names', (t) => {
  for (const lane of ['cam1', 'a.b', 'x.primary'])
    for (const role of ['primary', 'standby'] as const)
      for (const priority of [1, 2, 8]) t.is(laneOfInput(inputStreamId(lane, { role, priority })), lane)
  for (const id of ['cam1', 'primary', '.primary', 'cam1.primary-', 'cam1.primary-x', 'cam1-primary'])
    t.is(laneOfInput(id), null, id)
})
