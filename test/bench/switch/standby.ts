import { setTimeout as delay } from 'node:timers/promises'
import { type CaseResult, type Measured, measure, repeat, summary } from './case.ts'
import type { SwitchRig } from './rig.ts'

/** The standby is on for a while before the primary is back, ms. */
const AWAY_MS = 500

const STREAM = 'cam'
const [PRIMARY, STANDBY] = [`${STREAM}.primary`, `${STREAM}.standby`]

/**
 * kill -9 of the sender on air, until the picture of the standby is on the screen; and the way back, which has its pace by
 * rule, so that only freezes count there.
 */
export async function takeoverAndReturn(rig: SwitchRig, say: (what: string) => void): Promise<CaseResult[]> {
  let primary = await rig.send(STREAM, { input: 'primary' })
  await rig.send(STREAM, { input: 'standby' })
  const screen = await rig.screen(STREAM, [PRIMARY, STANDBY])
  await screen.shows(PRIMARY, 0)
  const returns: Measured[] = []
  const takeover = await repeat('standby-takeover', say, async () => {
    const dies = async () => {
      const from = Date.now()
      await primary.kill()
      return from
    }
    const measured = await measure(screen, { happens: dies, to: STANDBY })
    await delay(AWAY_MS)
    const comesBack = async () => {
      primary = await rig.send(STREAM, { input: 'primary' })
      return Date.now()
    }
    returns.push(await measure(screen, { happens: comesBack, to: PRIMARY }))
    return measured
  })
  return [takeover, summary('return', returns)]
}
