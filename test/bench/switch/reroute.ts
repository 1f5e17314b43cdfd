import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { openSenderNode } from '../../support/sender-node.ts'
import { type CaseResult, repeat, undisturbed } from './case.ts'
import type { SwitchRig } from './rig.ts'

const WATCHED_MS = 3000
/** A link that was left has closed by then. */
const REST_MS = 1000

const contract = z.object({
  version: z.number(),
  overlay: z.object({ bindings: z.array(z.object({ link_id: z.string() })) }),
})

/** Reroutes by hand of the input on air: away from one of the two links that carry it, each time another. */
export async function reroute(
  rig: SwitchRig,
  programId: string,
  input: string,
  say: (what: string) => void,
): Promise<CaseResult> {
  await using node = await openSenderNode(rig.hub)
  await rig.send(input, { token: node.token })
  const screen = await rig.screen(programId, [input])
  const decided = async (leave: readonly string[]): Promise<string[]> => {
    const current_endpoints = leave.map((link) => ({ link }))
    const body = { stream_id: input, reason: 'bench', current_endpoints }
    const { overlay } = contract.parse(await rig.ask('POST', '/v1/reroute', body, 200))
    return overlay.bindings.map(({ link_id }) => link_id)
  }
  let bound = await decided([])
  return repeat('reroute', say, async () => {
    await delay(REST_MS)
    const happens = async () => {
      const from = Date.now()
      const [leave = ''] = bound
      bound = await decided([leave])
      if (bound.includes(leave)) throw new Error(`the stream stayed on ${leave}`)
      return from
    }
    return undisturbed(screen, happens, WATCHED_MS)
  })
}
