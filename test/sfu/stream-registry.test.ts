import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { createLogger } from '../../common/logger.ts'
import { switchRulesOf } from '../../common/wire/switched-inputs.ts'
import { StreamRegistry } from '../../sfu/stream-registry.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { switchProcesses } from '../support/switch-processes.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'

async function rig() {
  const [rist, rtp] = await freeUdpPorts(2)
  const registry = new StreamRegistry(
    { rist: [rist!, rist! + 1], ristIp: '127.0.0.1', rtp: [rtp!, rtp! + 1] },
    {
      placement: {
        forLane: () => undefined,
        takeForViewer: () => {
          throw new Error('nobody watches')
        },
      },
      census: { consumersOf: () => 0 },
      events: recordEvents().events,
      logger: createLogger('silent'),
    },
  )
  const name = { tenantId: 'default', streamId: 'cam-1' }
  const open = (links: readonly number[]) =>
    registry.openField({
      ...name,
      streamClass: 'director',
      links,
      input: {
        address: '127.0.0.1',
        passphrase: 'a passphrase',
        aes_bits: 256,
        authentication: 'srp',
        username: 'user',
        password: 'a password',
        buffer: { start_ms: 100, min_ms: 100, max_ms: 500, rtt_multiple: 4 },
      },
    })
  return { registry, name, open, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() }
}

test("the former holder of an open stream's ports does not give them away", async (t) => {
  await using hub = await rig()
  const { registry, name, open } = hub
  const ports = registry.takeRistPorts(1)
  open(ports)
  // Its contract could not be stored: its stream is closed, and the next one is open on its ports.
  await registry.close(name.tenantId, name.streamId)
  t.deepEqual(registry.takeRistPorts(1), ports)
  open(ports)
  registry.giveRistPorts(ports)
  t.notDeepEqual(registry.takeRistPorts(1), ports)
})

test('ports of a stream that is being closed are given back once, when nothing listens on them', async (t) => {
  await using hub = await rig()
  const { registry, name, open } = hub
  const ports = registry.takeRistPorts(1)
  open(ports)
  // Its contract was revoked while it was being stored: the beginner gives the ports back as well.
  const closed = registry.close(name.tenantId, name.streamId)
  registry.giveRistPorts(ports)
  t.notDeepEqual(registry.takeRistPorts(1), ports)
  await closed
  t.deepEqual(registry.takeRistPorts(1), ports)
})

test('a switched stream that gets too few ports leaves none of them taken', async (t) => {
  await using hub = await rig()
  const { registry, name } = hub
  const open = (count: number) => {
    const inputs = Array.from({ length: count }, (_, index) => ({ id: `input-${index}` }))
    registry.openSwitched({ ...name, streamClass: 'director' }, { inputs, rules: switchRulesOf('director') })
  }
  // There are two: one for the stream, one for an input.
  t.throws(() => open(2), { code: 'ports_exhausted' } as never)
  t.is(registry.get(name.tenantId, name.streamId), undefined)
  await until(() => {
    try {
      open(1)
      return true
    } catch {
      return false
    }
  }, 'its ports are free')
  // Nothing is there that could be switched.
  await setTimeout(500)
  t.is(registry.switched(name.tenantId, name.streamId)?.pid, undefined)
  t.deepEqual(switchProcesses(process.pid), [])
})
