import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { workersAnswerSchema } from '../../common/wire/statistics-api.ts'
import { rssMb } from '../bench/process-usage.ts'
import type { TestHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { takeCensus } from './census.ts'

/** What is measured while it runs, and cheap. */
const READ_NAMES = [
  'hub_rss_mb',
  'children_rss_mb',
  'hub_descriptors',
  'children_descriptors',
  'processes',
  'transports',
  'consumers',
  'viewers',
  'connections',
  'flows',
  'allocations',
] as const
/** What is measured beside it while nothing happens. */
const CENSUS_NAMES = ['hub_heap_mb', 'hub_external_mb', 'timers', 'handles'] as const
export const QUANTITY_NAMES = [...READ_NAMES, ...CENSUS_NAMES] as const

export type Reading = Readonly<Record<(typeof READ_NAMES)[number], number>>
export type Measured = Record<(typeof QUANTITY_NAMES)[number], number>

export interface Sample {
  readonly values: Readonly<Measured>
  readonly timersByPlace: Readonly<Record<string, number>>
  readonly handlesByKind: Readonly<Record<string, number>>
}

const flowList = z.object({
  flows: z.array(z.object({ contract_id: z.string(), stream_id: z.string() })),
})

/** Looks at a quiet hub: differences between them are noise, and the least of each is what is really held. */
const LOOKS = 3
const BETWEEN_MS = 1500

/** What the hub and its children hold now. A child that ends meanwhile counts for nothing. */
export async function readNow(hub: TestHub): Promise<Reading> {
  const children = descendants(hub.pid).filter((pid) => programOf(pid) !== '')
  const { workers } = workersAnswerSchema.parse((await hub.api('GET', '/v1/workers')).body)
  return {
    hub_rss_mb: rssMb(hub.pid),
    children_rss_mb: sum(children.map((pid) => orZero(() => rssMb(pid)))),
    hub_descriptors: descriptors(hub.pid),
    children_descriptors: sum(children.map(descriptors)),
    processes: children.length,
    transports: sum(workers.map(({ transports }) => transports)),
    consumers: sum(workers.map(({ consumers }) => consumers)),
    viewers: sum(workers.map(({ viewers }) => viewers)),
    connections: await hub.metric('overlay_sessions_active'),
    flows: (await listFlows(hub)).length,
    allocations: await hub.metric('turn_allocations'),
  }
}

/** What a hub holds for which nothing happens. */
export async function measureQuiet(hub: TestHub): Promise<Sample> {
  let least = await look(hub)
  for (let looks = 1; looks < LOOKS; looks += 1) {
    await delay(BETWEEN_MS)
    least = leastOf(least, await look(hub))
  }
  return least
}

async function look(hub: TestHub): Promise<Sample> {
  const { heap_mb, external_mb, timers, handles } = await takeCensus(hub)
  const own = { hub_heap_mb: heap_mb, hub_external_mb: external_mb }
  const counted = { timers: sum(Object.values(timers)), handles: sum(Object.values(handles)) }
  return {
    values: { ...(await readNow(hub)), ...own, ...counted },
    timersByPlace: timers,
    handlesByKind: handles,
  }
}

function leastOf(one: Sample, other: Sample): Sample {
  const values = { ...one.values }
  for (const name of QUANTITY_NAMES) values[name] = Math.min(one.values[name], other.values[name])
  return {
    values,
    timersByPlace: (one.values.timers <= other.values.timers ? one : other).timersByPlace,
    handlesByKind: (one.values.handles <= other.values.handles ? one : other).handlesByKind,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** @returns 0 for a process that just ended */
function descriptors(pid: number): number {
  return orZero(() => readdirSync(`/proc/${pid}/fd`).length)
}

function orZero(read: () => number): number {
  try {
    return read() || 0
  } catch {
    return 0
  }
}

/** Contracts that run, ids and streams. */
export async function listFlows(hub: TestHub): Promise<{ contract_id: string; stream_id: string }[]> {
  const { body } = await hub.api('GET', '/v1/flows')
  return flowList.parse(body).flows
}
