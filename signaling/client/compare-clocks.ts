import { z } from 'zod'
import { type ClockOffset, localUnixMs } from './clock-offset.ts'

/** Requests of one comparison: the best of them counts. */
const SAMPLES = 4

/** A connection to the hub, a viewer's or a publisher's. */
interface AnswersClock {
  request(method: 'clock', data: Record<string, never>): Promise<unknown>
}

const clockAnswer = z.object({ hub_unix_ms: z.number() })

/** Asks for the hub's time and adds what it learns to `clock`; a connection that ends ends it early. */
export async function compareClocks(hub: AnswersClock, clock: ClockOffset): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sentMs = localUnixMs()
    const answer = clockAnswer.safeParse(await hub.request('clock', {}).catch(() => null))
    if (!answer.success) return
    clock.add(sentMs, answer.data.hub_unix_ms, localUnixMs())
  }
}
