import { z } from 'zod'
import { type ClockOffset, localUnixMs } from './clock-offset.ts'

/** Requests of one comparison. The best counts. */
const SAMPLES = 4

/** A viewer's or publisher's connection to the hub. */
interface AnswersClock {
  request(method: 'clock', data: Record<string, never>): Promise<unknown>
}

const clockAnswer = z.object({ hub_unix_ms: z.number() })

/** Asks for the hub's time and adds the samples to `clock`. Stops early when the connection ends. */
export async function compareClocks(hub: AnswersClock, clock: ClockOffset): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sentMs = localUnixMs()
    const answer = clockAnswer.safeParse(await hub.request('clock', {}).catch(() => null))
    if (!answer.success) return
    clock.add(sentMs, answer.data.hub_unix_ms, localUnixMs())
  }
}
