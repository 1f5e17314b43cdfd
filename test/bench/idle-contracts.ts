import { CENSUS_ENV, takeCensus } from '../soak/census.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { rounded } from './bench.ts'
import { pssMb } from './process-usage.ts'

/** Contracts before measuring: the first ones bring memory that no later one does. */
const WARM_UP = 8
const CONTRACTS = 30

/**
 * Memory of a field sender's contract for which nobody sends yet, kB (2^10 bytes): in the hub after a collection, and
 * in its own processes. `processes` counts these.
 */
export async function idleContractKb(): Promise<{ readonly kb: number; readonly processes: number }> {
  await using hub = await startHub([], {
    workers: 1,
    logLevel: 'warn',
    env: CENSUS_ENV,
    args: ['--streams-per-token', '1000'],
  })
  let made = 0
  const publish = async (count: number) => {
    for (const end = made + count; made < end; made += 1) {
      const { status } = await hub.api('POST', '/v1/publish', { stream_id: `idle-${made}`, class: 'focus' })
      if (status !== 200) throw new Error(`contract ${made} was answered ${status}`)
    }
  }
  await publish(WARM_UP)
  const before = await heldBy(hub)
  await publish(CONTRACTS)
  const after = await heldBy(hub)
  return { kb: rounded(((after.mb - before.mb) * 1024) / CONTRACTS), processes: after.processes }
}

async function heldBy(hub: TestHub) {
  const { heap_mb, external_mb } = await takeCensus(hub)
  const ingresses = descendants(hub.pid).filter((pid) => programOf(pid).includes('ingress-main'))
  const children = ingresses.reduce((sum, pid) => sum + pssMb(pid), 0)
  return { mb: heap_mb + external_mb + children, processes: ingresses.length }
}
