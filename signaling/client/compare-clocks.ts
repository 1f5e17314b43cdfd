import { z } from 'zod'
import { type ClockOffset, localUnixMs } from './clock-offset.ts'
import type { HubConnection } from './hub-connection.ts'

/** Requests of one comparison: the best of them counts. */
const SAMPLES = 4

const clockAnswer = z.object({ hub_unix_ms: z.number() })

/** Asks for the hub's time and adds what it learns to `clock`; a connection that ends ends it early. */
export async function compareClocks(hub: HubConnection, clock: ClockOffset): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sentMs = localUnixMs()
    const answer = clockAnswer.safeParse(await hub.request('clock', {}).catch(() => null))
    if (!answer.success) return
    clock.add(sentMs, answer.data.hub_unix_ms, localUnixMs())
  }
}
