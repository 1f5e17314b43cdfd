import test from 'ava'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import type { TurnReady } from '../../common/wire/turn-ipc.ts'
import { TurnProcess, type TurnRefused, type TurnState } from '../../turn/turn-process.ts'
import { codeOf, TurnClient } from '../support/turn-client.ts'
import { turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

/** A TURN process with what its hub heard. */
function processOf(start = turnStart()) {
  const watch = new ChildWatch()
  const heard = {
    ready: [] as TurnReady[],
    states: [] as TurnState[],
    refused: [] as TurnRefused[],
    troubles: [] as string[],
  }
  const { type, ended, ...rest } = start
  const turn = new TurnProcess({
    start: rest,
    watch,
    listener: {
      ready: (bound) => heard.ready.push(bound),
      state: (state) => heard.states.push(state),
      refused: (refused) => heard.refused.push(refused),
      trouble: (kind, what) => heard.troubles.push(`${kind}: ${what}`),
    },
  })
  return {
    turn,
    heard,
    async [Symbol.asyncDispose]() {
      await turn[Symbol.asyncDispose]()
      watch[Symbol.dispose]()
    },
  }
}

test('a process serves, reports, ends contracts, and is replaced on the same ports when it dies', async (t) => {
  await using server = await processOf(
    turnStart({ listen: { udp: [{ ip: '127.0.0.1', port: 0 }], tcp: [], tls: [] } }),
  )
  const { turn, heard } = server
  await until(() => turn.ready, 'a process that is ready')
  await using client = await TurnClient.udp(turn.ready!.udp[0]!, turnUser({ contract: 'c7' }))
  await client.allocate()
  const flow = await until(() => heard.states.flatMap(({ flows }) => flows)[0], 'a flow')
  t.like(flow, { contract_id: 'c7', tenant_id: 'acme', protocol: 'udp', ended: false, bytes_in: 0 })

  turn.endContract('c7')
  await until(() => heard.states.at(-1)?.allocations === 0, 'the end of the allocation')
  t.true(heard.states.flatMap(({ flows }) => flows).at(-1)?.ended)
  const pid = turn.pid!
  process.kill(pid, 'SIGKILL')
  await until(() => turn.ready && turn.pid !== pid, 'a successor')
  t.deepEqual(heard.troubles, ['died: turn process: SIGKILL'])
  t.is(turn.counts.failures, 1)

  // The successor knows the contract that ended, although the credential is not expired.
  await using again = await TurnClient.udp(turn.ready!.udp[0]!, turnUser({ contract: 'c7' }))
  t.is((await t.throwsAsync(again.allocate()))?.message, 'allocate: 401')
  const refused = await until(() => heard.refused[0], 'news of the refusal')
  t.deepEqual(refused, {
    type: 'refused',
    reason: 'ended',
    username_tenant: 'acme',
    client: '127.0.0.1',
    count: 1,
  })
  await using other = await TurnClient.udp(turn.ready!.udp[0]!, turnUser({ contract: 'c8' }))
  await other.allocate()
  t.is(codeOf(await other.refresh(0)), 0)
})

test('a taken port is told, and tried again until it is free', async (t) => {
  await using holder = await processOf()
  const { handed, ...bound } = await until(() => holder.turn.ready, 'a process that is ready')
  t.truthy(handed)
  await using server = await processOf(turnStart({ listen: bound }))
  await until(
    () => server.heard.troubles.some((each) => each.startsWith('failed: bind EADDRINUSE')),
    'trouble',
  )
  t.is(server.turn.ready, null)
  await holder.turn[Symbol.asyncDispose]()
  t.like(await until(() => server.turn.ready, 'the ports'), bound)
})
