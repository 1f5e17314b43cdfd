import { z } from 'zod'
import { tenantIdSchema } from './ids.ts'

export const ALARM_KINDS = [
  'link_down',
  'node_down',
  'node_config_refused',
  'node_strained',
  'broadcast_failing',
  'clock_lost',
  'path_flapping',
  'oversubscribed_access_point',
  'slo_breach',
  'input_lost',
  'on_standby',
  'merge_refused',
  'service_restarting',
  'port_unavailable',
  'store_failing',
  'stream_without_contract',
  'certificate_renewal_failing',
  'media_address_unknown',
  'relay_unavailable',
  'relay_quota',
] as const
export const alarmKindSchema = z.enum(ALARM_KINDS)
export type AlarmKind = z.infer<typeof alarmKindSchema>

/** An alarm that is raised now. */
export const alarmSchema = z.object({
  kind: alarmKindSchema,
  /** null for alarms about the hub itself. */
  tenant_id: tenantIdSchema.nullable(),
  /** The subject: `link:n1/lte-1`, `node:n1`, `broadcast:n1/cam-1`, `stream:cam-1`, `flow:c1`, `class:focus`, `service:worker-0`. */
  subject: z.string(),
  /** In words, with the figures that raised the alarm. */
  message: z.string(),
  /** Unix milliseconds. */
  raised_at: z.number(),
})
export type Alarm = z.infer<typeof alarmSchema>
