import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { readAgentFacts } from '../../../agent/hardware/agent-facts.ts'
import { kernelClock } from '../../../agent/hardware/kernel-clock.ts'
import { SystemReader } from '../../../agent/hardware/system-facts.ts'
import { SYSTEM_ROOTS } from '../../../agent/hardware/system-roots.ts'
import { nodeReportSchema } from '../../../common/wire/node-report.ts'

async function machine(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), 'machine-'))
  const write = async (name: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  for (const [name, text] of Object.entries(files)) await write(name, text)
  const roots = { proc: join(root, 'proc'), sys: join(root, 'sys') }
  return { roots, write, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

const MEMORY = 'MemTotal:        3904896 kB\nMemFree:          123456 kB\nMemAvailable:    2000000 kB\n'

test('load is the mean since the last look, and heat that of the hottest sensor', async (t) => {
  await using board = await machine({
    'proc/stat': 'cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n',
    'proc/meminfo': MEMORY,
    'sys/class/thermal/thermal_zone0/temp': '61000\n',
    'sys/class/thermal/thermal_zone1/temp': '68500\n',
    'sys/class/thermal/thermal_zone2/temp': '-274000\n',
    'sys/class/thermal/thermal_zone3/temp': 'broken\n',
    'sys/class/thermal/cooling_device0/type': 'cpufreq-cpu0\n',
    'sys/class/thermal/cooling_device0/cur_state': '0\n',
    'sys/class/thermal/cooling_device1/type': 'pwm-fan\n',
    'sys/class/thermal/cooling_device1/cur_state': '3\n',
  })
  const reader = new SystemReader(board.roots, '/')
  const first = await reader.read()
  t.like(first, {
    cpu: 0.2,
    temperature_c: 68.5,
    throttled: false,
    memory_mb: { total: 3999, available: 2048 },
  })
  t.notThrows(() => nodeReportSchema.parse({ system: first }))

  await board.write('proc/stat', 'cpu  175 0 100 725 100 0 0 0 0 0\n')
  await board.write('sys/class/thermal/cooling_device0/cur_state', '2\n')
  t.like(await reader.read(), { cpu: 0.75, throttled: true })
  t.is((await reader.read()).cpu, 0, 'no time has gone by')
})

test('a board that lacks power is slowed', async (t) => {
  await using board = await machine({
    ...{ 'proc/stat': 'cpu  1 0 1 8 0 0 0 0\n', 'proc/meminfo': MEMORY },
    'sys/class/hwmon/hwmon0/name': 'cpu_thermal\n',
    'sys/class/hwmon/hwmon1/name': 'rpi_volt\n',
    'sys/class/hwmon/hwmon1/in0_lcrit_alarm': '0\n',
  })
  const reader = new SystemReader(board.roots, '/')
  t.is((await reader.read()).throttled, false)
  await board.write('sys/class/hwmon/hwmon1/in0_lcrit_alarm', '1\n')
  t.is((await reader.read()).throttled, true)
})

test('a machine without sensors says nothing about heat', async (t) => {
  await using board = await machine({ 'proc/stat': 'cpu  1 0 1 8 0 0 0 0\n', 'proc/meminfo': MEMORY })
  t.like(await new SystemReader(board.roots, '/').read(), { temperature_c: null, throttled: null })
})

test('this machine can be read', async (t) => {
  const system = await new SystemReader(SYSTEM_ROOTS, '/').read()
  const agent = await readAgentFacts('1.2.3', SYSTEM_ROOTS)
  t.notThrows(() => nodeReportSchema.parse({ system, agent }))
  t.true(system.memory_mb.total > 0 && system.disk_mb.total > 0 && system.cores >= 1)
  t.true(agent.boot_id.length > 30 && agent.started_at <= Date.now())
  const clock = kernelClock()
  t.true(clock === null || (typeof clock.synchronised === 'boolean' && clock.maxErrorMs >= 0))
})

test('a board has the name of its device tree', async (t) => {
  await using board = await machine({
    'proc/device-tree/model': 'Orange Pi 5 Plus\0',
    'proc/sys/kernel/random/boot_id': 'x\n',
  })
  t.like(await readAgentFacts('1', board.roots), { model: 'Orange Pi 5 Plus', boot_id: 'x' })
})
