import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileCacheEnv } from '../../common/supervision/compile-cache.ts'
import { percentile } from '../support/frame-reader.ts'
import { startHub } from '../support/hub.ts'
import { type Bench, rounded } from './bench.ts'

const STARTS = 12
/** Streams of the configuration for which nobody sends. */
const CONFIGURED = [1, 45]
const CONFIGURED_STARTS = 6

/**
 * Time from the fork of a prepared hub until `/readyz` says yes: with a data folder that it must make, with an existing
 * one, and with streams in its configuration.
 */
export const start: Bench = {
  about: 'time until a hub is ready, first and later starts',
  async run({ progress }) {
    const root = await mkdtemp(join(tmpdir(), 'lanecast-start-'))
    try {
      // The first run of these sources fills Node's compile cache.
      await readyAfterMs(join(root, 'warm-up'))
      const [first, later] = [[] as number[], [] as number[]]
      for (let index = 0; index < STARTS; index += 1) {
        progress.say(`start ${index + 1} of ${STARTS}`)
        const dataDir = join(root, `${index}`)
        first.push(await readyAfterMs(dataDir))
        later.push(await readyAfterMs(dataDir))
      }
      const at = (times: readonly number[], share: number) => rounded(percentile(times, share), 0)
      const configured = []
      for (const streams of CONFIGURED) {
        const dataDir = join(root, `streams-${streams}`)
        const times: number[] = []
        // The first start makes the folder, and does not count.
        await readyAfterMs(dataDir, streams)
        for (let index = 0; index < CONFIGURED_STARTS; index += 1) {
          progress.say(`${streams} streams, start ${index + 1} of ${CONFIGURED_STARTS}`)
          times.push(await readyAfterMs(dataDir, streams))
        }
        configured.push({ streams, p50_ms: at(times, 0.5), p95_ms: at(times, 0.95) })
      }
      return {
        bench: 'start',
        starts: STARTS,
        first_p50_ms: at(first, 0.5),
        first_p95_ms: at(first, 0.95),
        p50_ms: at(later, 0.5),
        p95_ms: at(later, 0.95),
        configured,
      }
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  },
}

async function readyAfterMs(dataDir: string, streams = 0): Promise<number> {
  const startedAt = performance.now()
  // As `npm start` does.
  await using hub = await startHub(configuredStreams(streams), {
    dataDir,
    env: compileCacheEnv,
    args: ['--turn-mode', 'embedded', '--turn-port', '0', '--turn-tls-port', '0'],
  })
  const { status } = await fetch(new URL('/readyz', hub.url))
  if (status !== 200) throw new Error(`/readyz answered ${status}`)
  return performance.now() - startedAt
}

const configuredStreams = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ streamId: `cam-${index}`, links: 1 }))
