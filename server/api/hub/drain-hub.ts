import { z } from 'zod'
import type { AuditDraft } from '../../audit/audit-record.ts'
import { actorOf } from '../../auth/principal.ts'
import type { HubPlace } from '../../join-topology.ts'
import { HUB_TENANT_ID } from '../../store/store.ts'
import { defineRoute } from '../route.ts'

export interface DrainHubParts {
  readonly place: Pick<HubPlace, 'draining' | 'drain'>
  /** What runs on the hub now. */
  readonly running: () => { readonly publishers: number; readonly viewers: number }
  readonly audit: (draft: AuditDraft) => Promise<void>
  /** Unix milliseconds. */
  readonly now: () => number
}

export const drainHub = ({ place, running, audit, now }: DrainHubParts) =>
  defineRoute({
    method: 'post',
    path: '/v1/hub/drain',
    summary: 'Drain this hub',
    description:
      'From now on new flows are refused with 503 and `Retry-After`, and `/readyz` says so; those that run go on, and ' +
      'are renewed. Answers how many there are: stop the hub when there are none. `draining: false` takes it back ' +
      'into use.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    body: z.strictObject({ draining: z.boolean() }),
    answer: {
      status: 200,
      schema: z.object({ draining: z.boolean(), publishers: z.number().int(), viewers: z.number().int() }),
    },
    handle: async ({ principal }, { body: { draining } }) => {
      const about = { action: 'hub.drain', object: 'hub', outcome: 'done', detail: { draining } }
      await audit({ tenant_id: HUB_TENANT_ID, at: now(), actor: actorOf(principal), ...about })
      place.drain(draining)
      return { draining, ...running() }
    },
  })
