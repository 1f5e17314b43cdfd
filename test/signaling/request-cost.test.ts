import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { z } from 'zod'
import { publisherNotifications, publisherRequests } from '../../common/wire/publisher-protocol.ts'
import { viewerNotifications, viewerRequests } from '../../common/wire/viewer-protocol.ts'
import { parseData } from '../../signaling/protoo-request.ts'
import { slowness } from '../support/machine-speed.ts'
import { longestTurnMs } from '../support/turn-probe.ts'

/** Longest message of a WebSocket, bytes; and what the longest may hold the event loop for, ms on a machine
 * of the speed that this was set for. */
const MESSAGE_BYTES = 64 * 1024
const LIMIT_MS = 20
/**
 * Number of tries before a turn counts as too long: code that runs for the first time, garbage collection and other
 * work of this machine take longer than the fault in question. One short turn shows that a short turn is possible.
 */
const TRIES = 20

const filled = (item: string): string => {
  const count = Math.floor((MESSAGE_BYTES - 200) / (item.length + 1))
  return `[${Array.from({ length: count }, () => item).join(',')}]`
}
const VALUES = [
  ...['{}', '[]', '1', '""', '[[]]', '{"a":1}'].map(filled),
  `{${Array.from({ length: 5000 }, (_, index) => `"k${index}":1`).join(',')}}`,
  `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
]

/** The value in each field of a schema, also in the fields of nested objects. */
function messagesOf(schema: z.ZodType, value: string, depth = 0): string[] {
  const fields = 'shape' in schema ? Object.entries(schema.shape as Record<string, z.ZodType>) : []
  return [
    value,
    ...(depth > 2
      ? []
      : fields.flatMap(([name, inner]) =>
          messagesOf(inner, value, depth + 1).map((each) => `{${JSON.stringify(name)}:${each}}`),
        )),
  ]
}

test('no message of a WebSocket holds the event loop', async (t) => {
  const slow: string[] = []
  const schemas = {
    ...viewerRequests,
    ...viewerNotifications,
    ...publisherRequests,
    ...publisherNotifications,
  }
  for (const [method, schema] of Object.entries<z.ZodType>(schemas))
    for (const text of VALUES.flatMap((value) => messagesOf(schema, value))) {
      let best = Number.POSITIVE_INFINITY
      for (let each = 0; each < TRIES && best > LIMIT_MS; each += 1) {
        const turn = await longestTurnMs(async () => {
          try {
            parseData(schema, JSON.parse(text))
          } catch {}
        })
        best = Math.min(best, turn > LIMIT_MS ? turn / slowness() : turn)
        if (best > LIMIT_MS) await delay(10 * each)
      }
      if (best > LIMIT_MS) slow.push(`${method} ${text.slice(0, 40)}: ${Math.round(best)} ms`)
    }
  t.deepEqual(slow, [])
})
