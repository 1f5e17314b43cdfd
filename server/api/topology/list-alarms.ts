import { z } from 'zod'
import { SYSTEM_CLOCK, wallOf } from '../../../common/clock.ts'
import { alarmKindSchema, alarmSchema } from '../../../common/wire/alarm.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AlarmBook } from '../../topology/alarms.ts'
import { defineRoute } from '../route.ts'

export const listAlarms = ({ alarms }: { readonly alarms: Pick<AlarmBook, 'list'> }) =>
  defineRoute({
    method: 'get',
    path: '/v1/alarms',
    summary: 'List alarms',
    description:
      'Those that are raised now, newest first. What was raised and cleared is on the audit trail.',
    action: 'node.read',
    cost: 'read',
    query: z.strictObject({ tenant_id: tenantIdSchema.optional(), kind: alarmKindSchema.optional() }),
    answer: { status: 200, schema: z.object({ alarms: z.array(alarmSchema) }) },
    errors: ['tenant_not_found'],
    handle: ({ tenantFilter }, { query: { kind } }) => ({
      alarms: alarms
        .list(tenantFilter)
        .filter((alarm) => kind === undefined || alarm.kind === kind)
        .map((alarm) => ({ ...alarm, raised_at: wallOf(SYSTEM_CLOCK, alarm.raised_at) })),
    }),
  })
