import { readdir, readFile, statfs } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type { SystemRoots } from './system-roots.ts'

export type SystemFacts = NonNullable<NodeReport['system']>

/** MB are 10^6 bytes. */
const MB = 1e6
/** What /proc/meminfo calls kB has 1024 bytes. */
const KIB = 1024
/** Below this a sensor is broken or a virtual machine's, above it as well, degrees Celsius. */
const PLAUSIBLE = { least: -50, most: 150 } as const

/** Reads the device's load, memory, disk and heat. */
export class SystemReader {
  readonly #roots: Pick<SystemRoots, 'proc' | 'sys'>
  readonly #disk: string
  #before: CpuTimes | null = null

  /** @param disk a folder on the disk that is reported */
  constructor(roots: Pick<SystemRoots, 'proc' | 'sys'>, disk: string) {
    this.#roots = roots
    this.#disk = disk
  }

  /** `cpu` is the mean since the last call; of the first call, since the device started. */
  async read(): Promise<SystemFacts> {
    const { proc, sys } = this.#roots
    const [stat, meminfo, disk, heat, slowed] = await Promise.all([
      readFile(join(proc, 'stat'), 'utf8'),
      readFile(join(proc, 'meminfo'), 'utf8'),
      statfs(this.#disk),
      temperature(sys),
      throttled(sys),
    ])
    const now = cpuTimes(stat)
    const before = this.#before ?? { busy: 0, all: 0 }
    this.#before = now
    const memory = (name: string): number =>
      Math.round((Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * KIB) / MB)
    return {
      cpu: share(now.busy - before.busy, now.all - before.all),
      cores: cpus().length || availableParallelism(),
      memory_mb: { total: memory('MemTotal'), available: memory('MemAvailable') },
      disk_mb: {
        total: Math.round((disk.blocks * disk.bsize) / MB),
        available: Math.round((disk.bavail * disk.bsize) / MB),
      },
      temperature_c: heat,
      throttled: slowed,
      load_1m: loadavg()[0] ?? 0,
    }
  }
}

interface CpuTimes {
  readonly busy: number
  readonly all: number
}

/** First line of /proc/stat, proc(5): user, nice, system, idle, iowait, irq, softirq, steal. */
function cpuTimes(stat: string): CpuTimes {
  const times = (stat.split('\n', 1)[0] ?? '').split(/ +/).slice(1, 9).map(Number)
  const all = times.reduce((sum, time) => sum + time, 0)
  return { all, busy: all - (times[3] ?? 0) - (times[4] ?? 0) }
}

function share(part: number, whole: number): number {
  if (whole <= 0) return 0
  return Math.round(Math.min(1, Math.max(0, part / whole)) * 1000) / 1000
}

/** Of the hottest sensor; null where there is none. */
async function temperature(sys: string): Promise<number | null> {
  const folder = join(sys, 'class/thermal')
  const all = await Promise.all(
    (await entries(folder, /^thermal_zone\d+$/)).map((zone) => numberIn(join(folder, zone, 'temp'))),
  )
  const plausible = all
    .map((milli) => (milli ?? Number.NaN) / 1000)
    .filter((celsius) => celsius > PLAUSIBLE.least && celsius < PLAUSIBLE.most)
  return plausible.length === 0 ? null : Math.max(...plausible)
}

/** Whether cores are slowed for heat, or for want of power; null where nobody tells either. */
async function throttled(sys: string): Promise<boolean | null> {
  const known = [await slowedForHeat(sys), await lacksPower(sys)].filter((state) => state !== null)
  return known.length === 0 ? null : known.includes(true)
}

/** By the kernel's thermal governor; null where nothing cools by slowing. */
async function slowedForHeat(sys: string): Promise<boolean | null> {
  const folder = join(sys, 'class/thermal')
  const states = await Promise.all(
    (await entries(folder, /^cooling_device\d+$/)).map(async (device) => {
      const type = await readFile(join(folder, device, 'type'), 'utf8').catch(() => '')
      return /cpu/i.test(type) ? numberIn(join(folder, device, 'cur_state')) : null
    }),
  )
  const known = states.filter((state) => state !== null)
  return known.length === 0 ? null : known.some((state) => state > 0)
}

/** By the alarm of a Raspberry Pi's supply; null on other boards. */
async function lacksPower(sys: string): Promise<boolean | null> {
  const folder = join(sys, 'class/hwmon')
  for (const monitor of await entries(folder, /^hwmon\d+$/)) {
    const name = await readFile(join(folder, monitor, 'name'), 'utf8').catch(() => '')
    if (name.trim() === 'rpi_volt') return (await numberIn(join(folder, monitor, 'in0_lcrit_alarm'))) === 1
  }
  return null
}

async function entries(folder: string, name: RegExp): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).filter((entry) => name.test(entry))
}

async function numberIn(path: string): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^-?\d+\s*$/.test(text) ? Number(text) : null
}
