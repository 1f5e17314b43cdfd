import test from 'ava'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { MOST_TOLD } from '../../turn/ended-contracts.ts'
import { TurnProcess } from '../../turn/turn-process.ts'
import { TurnClient } from '../support/turn-client.ts'
import { turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

test('however many contracts ended lately, a new process starts, and knows the last of them', async (t) => {
  using watch = new ChildWatch()
  const { type, ended, ...start } = turnStart()
  const troubles: string[] = []
  await using turn = new TurnProcess({
    start,
    watch,
    listener: { ready() {}, state() {}, refused() {}, trouble: (kind) => troubles.push(kind) },
  })
  const first = await until(() => turn.ready && turn.pid, 'the first process')
  // Ids as long as the hub's, twice as many as one message has room for.
  const idOf = (number: number) => `c-${String(number).padStart(24, '0')}`
  for (let number = 0; number < 3 * MOST_TOLD; number += 1) turn.endContract(idOf(number))
  process.kill(first, 'SIGKILL')
  await until(() => turn.ready !== null && turn.pid !== first, 'its successor')
  t.deepEqual(new Set(troubles), new Set(['died']))
  const user = turnUser({ contract: idOf(3 * MOST_TOLD - 1) })
  await using client = await TurnClient.udp(turn.ready!.udp[0]!, user)
  await t.throwsAsync(client.allocate(), { message: 'allocate: 401' })
  await using other = await TurnClient.udp(turn.ready!.udp[0]!, turnUser())
  await t.notThrowsAsync(other.allocate())
})
