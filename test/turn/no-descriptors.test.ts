import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { TurnProcess } from '../../turn/turn-process.ts'
import { codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const EVEN = [
  { what: 'any port', flags: null },
  { what: 'an even port', flags: 0 },
  { what: 'a pair of ports', flags: 0x80 },
]

test('without a free descriptor allocations are refused, and the process and its clients go on', async (t) => {
  using watch = new ChildWatch()
  const { type, ended, ...start } = turnStart()
  const troubles: string[] = []
  await using turn = new TurnProcess({
    start,
    watch,
    listener: {
      ready() {},
      state() {},
      refused() {},
      trouble: (kind, what) => troubles.push(`${kind}: ${what}`),
    },
  })
  await until(() => turn.ready !== null, 'the process is ready')
  const pid = turn.pid!
  // The soft limit: only root may raise the other one again.
  const limit = (most: number) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:`])
  const before = Number(/^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))![1])
  await using running = await TurnClient.udp(turn.ready!.udp[0]!, turnUser())
  await running.allocate()
  const open = readdirSync(`/proc/${pid}/fd`).map(Number)

  // One free for the pair's first port, which must not be lost when there is none for the second.
  for (const spare of [0, 1])
    for (const { what, flags } of EVEN.filter(({ flags }) => spare === 0 || flags === 0x80)) {
      limit(firstFree(open) + spare)
      await using client = await TurnClient.udp(turn.ready!.udp[0]!, turnUser())
      await client.challenge()
      const answer = await client.request(METHOD.allocate, (writer) => {
        udpTransport(writer)
        if (flags !== null) writer.add(ATTRIBUTE.evenPort, Buffer.of(flags))
      })
      t.is(codeOf(answer), 508, `${what}, ${spare} free`)
      t.is(codeOf(await running.refresh(600)), 0)
      t.is(readdirSync(`/proc/${pid}/fd`).length, open.length, `${what}, ${spare} free`)
    }

  limit(before)
  await using client = await TurnClient.udp(turn.ready!.udp[0]!, turnUser())
  await t.notThrowsAsync(client.allocate())
  t.is(turn.pid, pid)
  t.deepEqual(troubles, [])
})

/** The lowest number that no descriptor has: the next one gets it. */
function firstFree(open: readonly number[]): number {
  let free = 0
  while (open.includes(free)) free += 1
  return free
}
