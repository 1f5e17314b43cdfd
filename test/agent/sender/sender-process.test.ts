import test from 'ava'
import { SenderProcess } from '../../../agent/sender/sender-process.ts'
import { createLogger } from '../../../common/logger.ts'
import { detourContract } from '../../support/detour-bench.ts'
import { descendants, programOf } from '../../support/processes.ts'
import { countOf, listen } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

const NOBODY = 'http://127.0.0.1:9'

/** A sender process that is given 200 numbered packets a second, and what it has told. */
async function sendNumbered(ports: readonly number[]) {
  await using stack = new AsyncDisposableStack()
  const told = { authenticated: 0, links: new Set<number>(), ended: [] as string[] }
  const sender = stack.use(
    new SenderProcess({
      hubUrl: NOBODY,
      nullPacketDeletion: false,
      logger: createLogger('silent'),
      events: {
        authenticated: () => {
          told.authenticated += 1
        },
        stats: ({ link, sent }) => {
          if (sent > 0) told.links.add(link)
        },
        ended: (how) => told.ended.push(how),
      },
    }),
  )
  const contract = detourContract(ports, { class: 'focus', detours: [] })
  await sender.apply(contract)
  let written = 0
  const timer = setInterval(() => {
    for (let count = 0; count < 2; count += 1) {
      const packet = Buffer.alloc(7 * 188, 0xff)
      for (let offset = 0; offset < packet.length; offset += 188) packet[offset] = 0x47
      packet.writeUInt32BE(written, 8)
      written += 1
      sender.write(packet)
    }
  }, 10)
  stack.defer(() => clearInterval(timer))
  const owned = stack.move()
  return { sender, told, contract, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const senderPid = (): number | undefined =>
  descendants(process.pid).find((pid) => programOf(pid).includes('sender-main.ts'))

/** The largest time between two arrivals from `from` on, ms. */
const longestGap = (times: readonly number[], from: number): number => {
  const later = [from, ...times.filter((at) => at >= from)]
  return Math.max(...later.slice(1).map((at, index) => at - later[index]!))
}

test.serial(
  'media, statistics and news come through, and a newer contract is taken on the run',
  async (t) => {
    await using receiver = await listen(2)
    await using sending = await sendNumbered(receiver.ports)
    await until(() => receiver.chunks.length > 100, 'media arrives')
    await until(() => sending.told.links.size === 2, 'both links tell what they sent')
    t.is(sending.told.authenticated, 2)
    const from = receiver.chunks.length
    await Promise.all([
      sending.sender.apply({ ...sending.contract, version: 2 }),
      sending.sender.apply({ ...sending.contract, version: 3 }),
    ])
    await until(() => receiver.chunks.length > from + 100, 'media goes on')
    const numbers = receiver.chunks.map(countOf)
    t.deepEqual(
      numbers,
      numbers.map((_, index) => numbers[0]! + index),
    )
    await sending.sender.stop()
    const stopped = receiver.chunks.length
    await sending.sender.apply(sending.contract)
    await until(() => receiver.chunks.length > stopped + 20, 'media comes again after a stop')
    t.is(sending.sender.restarts, 0)
  },
)

test.serial('a contract that can not be kept is refused with the reason', async (t) => {
  await using sending = await sendNumbered([9])
  await t.throwsAsync(
    sending.sender.apply({ ...sending.contract, contract_id: 'c-2', transport: 'webrtc' }),
    {
      code: 'contract_not_rist',
    },
  )
  t.is(sending.sender.restarts, 0)
})

for (const [what, end] of [
  ['killed', ({ pid }) => process.kill(pid, 'SIGKILL')],
  ['replaced by order', ({ sender }) => sender.restart()],
] satisfies [string, (running: { pid: number; sender: SenderProcess }) => void][])
  test.serial(`media goes on within a second when the process is ${what}`, async (t) => {
    const arrived: number[] = []
    await using receiver = await listen(2, { onData: () => arrived.push(performance.now()) })
    await using sending = await sendNumbered(receiver.ports)
    await until(() => arrived.length > 100, 'media arrives')
    const at = performance.now()
    const pid = senderPid()!
    end({ pid, sender: sending.sender })
    await until(() => sending.sender.restarts === 1, 'a successor')
    const from = arrived.length
    await until(() => arrived.length > from + 200, 'media arrives again')
    const gapMs = longestGap(arrived, at)
    t.log(`silent for ${Math.round(gapMs)} ms`)
    t.true(gapMs < 1000)
    t.not(senderPid(), pid)
    t.is(sending.told.ended.length, what === 'killed' ? 1 : 0)
  })
