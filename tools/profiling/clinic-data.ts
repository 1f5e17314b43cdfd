import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'

export const TOOLS = ['flame', 'doctor', 'bubbleprof', 'heapprofiler'] as const
export type ProfilingTool = (typeof TOOLS)[number]

/** A call stack for each tick of V8's profiler; empty where it is unknown. */
const flameTicks = z.array(z.array(z.unknown()))
const traceEvents = z.object({ traceEvents: z.array(z.unknown()) })
const heapProfile = z.object({ samples: z.array(z.unknown()) })

/** The length of each record, 16 bits, is in front of it in doctor's binary file. */
const LENGTH_BYTES = 2

/**
 * How much a tool collected: clinic makes a report even of nothing, without saying so.
 * @param data the report's source: a folder, or a file for the heap profiler
 */
export async function countSamples(tool: ProfilingTool, data: string): Promise<number> {
  const part = (name: string) => readFile(join(data, `${basename(data)}-${name}`))
  switch (tool) {
    case 'flame':
      return flameTicks.parse(JSON.parse(String(await part('samples')))).filter(({ length }) => length > 0)
        .length
    case 'doctor':
      return countRecords(await part('processstat'))
    case 'bubbleprof':
      return traceEvents.parse(JSON.parse(String(await part('traceevent')))).traceEvents.length
    case 'heapprofiler':
      return heapProfile.parse(JSON.parse(String(await readFile(data)))).samples.length
  }
}

function countRecords(bytes: Buffer): number {
  let count = 0
  for (let at = 0; at + LENGTH_BYTES <= bytes.length; at += LENGTH_BYTES + bytes.readUInt16BE(at)) count++
  return count
}
