import { resolve } from 'node:path'
import { z } from 'zod'
import type { TestHub } from '../support/hub.ts'

const counts = z.record(z.string(), z.number())

/** What `hub-census.ts` tells of the process that it sits in, right after a collection. */
export const censusSchema = z.object({
  type: z.literal('census'),
  heap_mb: z.number(),
  /** Memory that V8 knows of and does not own. */
  external_mb: z.number(),
  /** Timers that may fire, by file and line of where they were made. */
  timers: counts,
  /** What else keeps the process alive, by kind. */
  handles: counts,
})
export type Census = z.infer<typeof censusSchema>

/** How long a busy hub may take to answer, ms. */
const WITHIN_MS = 15_000

/** The environment of a hub that can be asked for a census. */
export const CENSUS_ENV = {
  NODE_OPTIONS: `--expose-gc --import ${resolve(import.meta.dirname, 'hub-census.ts')}`,
}

/** @throws where the hub does not answer in time, or is gone */
export async function takeCensus(hub: TestHub): Promise<Census> {
  const answer = Promise.withResolvers<Census>()
  const onMessage = (raw: unknown) => {
    const census = censusSchema.safeParse(raw)
    if (census.success) answer.resolve(census.data)
  }
  const late = setTimeout(() => answer.reject(new Error('the hub takes no census')), WITHIN_MS)
  hub.process.on('message', onMessage)
  try {
    if (!hub.process.kill('SIGUSR2')) throw new Error('the hub is gone')
    return await answer.promise
  } finally {
    clearTimeout(late)
    hub.process.off('message', onMessage)
  }
}
