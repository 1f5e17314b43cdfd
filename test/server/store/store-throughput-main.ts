import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createLogger } from '../../../common/logger.ts'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { openStore, type StoreConfig } from '../../../server/store/open-store.ts'
import { startPostgres } from '../../support/postgres.ts'

/**
 * Acknowledged writes per second, each with its audit record, from 64 callers at once, and how long the event loop was
 * held up meanwhile. Run by hand: `node test/server/store/store-throughput-main.ts`. Prints a JSON line per store.
 */

const CALLERS = 64
const SECONDS = 3

async function measure(config: StoreConfig): Promise<void> {
  await using store = await openStore(config, {
    logger: createLogger('warn'),
    auditKey: ephemeralKeyring().auditKey,
  })
  const took: number[] = []
  const end = performance.now() + SECONDS * 1000
  const loop = monitorEventLoopDelay({ resolution: 1 })
  const cpu = process.cpuUsage()
  loop.enable()
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let index = 0; performance.now() < end; index++) {
        const started = performance.now()
        const id = `c${caller}-${index % 100}`
        await store.write(
          [
            {
              op: 'put',
              kind: 'contract',
              tenant_id: 't1',
              id,
              body: { stream_id: 'cam-1', text: 'x'.repeat(800) },
            },
          ],
          [
            {
              tenant_id: 't1',
              at: Date.now(),
              actor: 'token:t1',
              action: 'publish',
              object: `contract:${id}`,
              outcome: 'granted',
              detail: { class: 'focus', mode: 'overlay-relay', reasons: ['a reason in words'] },
            },
          ],
        )
        took.push(performance.now() - started)
      }
    }),
  )
  loop.disable()
  const { user, system } = process.cpuUsage(cpu)
  const reads = performance.now()
  for (let index = 0; index < 500; index++) await store.get('contract', 't1', `c1-${index % 100}`)
  const readMs = (performance.now() - reads) / 500
  took.sort((a, b) => a - b)
  const at = (share: number) => round(took[Math.floor(took.length * share)] ?? 0)
  const result = {
    store: config.kind,
    writes_per_second: Math.round(took.length / SECONDS),
    write_p50_ms: at(0.5),
    write_p99_ms: at(0.99),
    loop_delay_p50_ms: round(loop.percentile(50) / 1e6 - 1),
    loop_delay_p99_ms: round(loop.percentile(99) / 1e6 - 1),
    loop_delay_max_ms: round(loop.max / 1e6 - 1),
    cpu_us_per_write: Math.round((user + system) / took.length),
    get_ms: round(readMs),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

const round = (value: number) => Math.round(value * 100) / 100

await measure({ kind: 'memory' })
const folder = mkdtempSync(join(tmpdir(), 'lanecast-throughput-'))
await measure({ kind: 'sqlite', folder })
rmSync(folder, { recursive: true })
await using server = await startPostgres()
await measure({ kind: 'postgres', url: await server.createDatabase() })
