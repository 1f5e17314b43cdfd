import { setTimeout as delay } from 'node:timers/promises'
import { switchProcesses } from '../../support/switch-processes.ts'
import { type CaseResult, measure, repeat } from './case.ts'
import type { SwitchRig } from './rig.ts'

/** A child that was replaced is replaced at once again only after some health, ms. */
const HEALTHY_MS = 11_000

/** kill -9 of the switch process, until a picture is on the screen that was drawn after it. */
export async function killed(
  rig: SwitchRig,
  programId: string,
  onAir: string,
  say: (what: string) => void,
): Promise<CaseResult> {
  const screen = await rig.screen(programId, [onAir])
  return repeat('switch-process-killed', say, async (run) => {
    if (run > 1) await delay(HEALTHY_MS)
    const happens = async () => {
      const [pid] = switchProcesses(rig.hub.pid)
      if (pid === undefined) throw new Error('the hub has no switch process')
      process.kill(pid, 'SIGKILL')
      return Date.now()
    }
    return measure(screen, { happens, to: onAir, drawnAfter: true })
  })
}
