import { z } from 'zod'
import { type CaseResult, repeat, undisturbed } from './case.ts'
import type { SwitchRig } from './rig.ts'

const WATCHED_MS = 3000

const contract = z.object({
  version: z.number(),
  endpoints: z.array(z.object({ address: z.string(), port: z.number() })).min(1),
})

/** Reroutes by hand of the input on air, away from one of its endpoints and then from the other. */
export async function reroute(
  rig: SwitchRig,
  programId: string,
  input: string,
  say: (what: string) => void,
): Promise<CaseResult> {
  const screen = await rig.screen(programId, [input])
  const decided = async (leave: readonly { address: string; port: number }[]) => {
    const body = { stream_id: input, reason: 'bench', current_endpoints: leave }
    return contract.parse(await rig.ask('POST', '/v1/reroute', body, 200))
  }
  let last = await decided([])
  return repeat('reroute', say, (run) => {
    const happens = async () => {
      const from = Date.now()
      const { version } = last
      last = await decided([last.endpoints[run % last.endpoints.length]!])
      if (last.version === version) throw new Error('the reroute changed nothing')
      return from
    }
    return undisturbed(screen, happens, WATCHED_MS)
  })
}
