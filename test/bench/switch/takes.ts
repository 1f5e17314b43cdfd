import { setTimeout as delay } from 'node:timers/promises'
import { type CaseResult, measure, repeat } from './case.ts'
import type { SwitchRig } from './rig.ts'

/** How long an input is armed before its take, ms. */
const ARMED_MS = 1000
/** A rendition that nobody wants is sent for 8 s longer (docs/limits.md), and only then the input is cold. */
const COLD_MS = 9000

/** Takes from one input to the other and back: from the request to the input's picture on the screen. */
export async function takes(
  rig: SwitchRig,
  programId: string,
  inputs: readonly [string, string],
  say: (what: string) => void,
): Promise<CaseResult[]> {
  const screen = await rig.screen(programId, inputs)
  const take = async (input: string): Promise<number> => {
    const from = Date.now()
    await rig.ask('POST', `/v1/programs/${programId}/take`, { input }, 200)
    return from
  }
  const preview = (input: string | null) =>
    rig.ask('POST', `/v1/programs/${programId}/preview`, { input }, 200)
  let onAir = 0
  const runs = (name: string, happens: (input: string) => Promise<number>): Promise<CaseResult> =>
    repeat(name, say, () => {
      onAir = 1 - onAir
      const to = inputs[onAir]!
      return measure(screen, { happens: () => happens(to), to })
    })
  await take(inputs[0])
  const armed = await runs('take-armed', async (input) => {
    await preview(input)
    await delay(ARMED_MS)
    return take(input)
  })
  await preview(null)
  const cold = await runs('take-cold', async (input) => {
    await delay(COLD_MS)
    return take(input)
  })
  return [armed, cold]
}
