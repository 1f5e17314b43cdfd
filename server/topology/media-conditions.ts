import { SYSTEM_CLOCK } from '../../common/clock.ts'
import type { AlarmKind } from '../../common/wire/alarm.ts'
import { SLATE, type SwitchCause } from '../../common/wire/switched-inputs.ts'
import type { StreamName } from '../../sfu/media-events.ts'
import type { TenantFact, TenantFacts } from '../facts/fact.ts'
import type { Subscription } from '../facts/fact-bus.ts'
import type { AlarmBook, AlarmName } from './alarms.ts'
import type { SloTracker } from './slo.ts'

export interface MediaConditions {
  readonly alarms: Pick<AlarmBook, 'report' | 'gone'>
  readonly slo: Pick<SloTracker, 'record'>
  /** The steady clock, Unix ms. */
  readonly now?: () => number
}

const MEDIA_KINDS = ['stream', 'switched', 'merge_refused', 'child', 'ports', 'lateness'] as const
type MediaKind = (typeof MEDIA_KINDS)[number]

/** Alarms that end with their stream. */
const OF_STREAMS = [
  'input_lost',
  'on_standby',
  'merge_refused',
  'service_restarting',
  'port_unavailable',
] as const

/** Causes of a switch that mean that an input on air failed. */
const FAILURES: readonly SwitchCause[] = ['silent', 'frozen', 'refused', 'absent']

/** Turns lost inputs, dead children and ports of others into alarms, and viewers' measurements into service levels. */
export function mediaConditions(
  facts: Pick<TenantFacts, 'subscribe'>,
  { alarms, slo, now = SYSTEM_CLOCK.steady }: MediaConditions,
): Subscription {
  const note = ({ tenantId, body }: TenantFact<MediaKind>) => {
    switch (body.kind) {
      case 'child': {
        const name = { kind: 'service_restarting', tenantId, subject: body.subject } as const
        return alarms.report(name, body.died !== null, body.died ?? '', now())
      }
      case 'ports': {
        const { stream, taken } = body
        return alarms.report(ofStream('port_unavailable', stream), taken !== null, taken ?? '', now())
      }
      case 'stream': {
        const lost = body.state.state === 'input_lost'
        if (body.state.state !== 'ended')
          return alarms.report(
            ofStream('input_lost', body.stream),
            lost,
            'no media arrives from the sender',
            now(),
          )
        for (const kind of OF_STREAMS) alarms.gone(ofStream(kind, body.stream), now())
        return
      }
      case 'switched': {
        const { to, cause, reason } = body.event
        const failed = FAILURES.includes(cause) && to !== SLATE
        return alarms.report(ofStream('on_standby', body.stream), failed, reason, now())
      }
      case 'merge_refused': {
        const name = ofStream('merge_refused', body.stream)
        const said = `${body.inputs.join(' and ')} claim the same capture times and have different pictures: they are not merged`
        alarms.report(name, true, said, now())
        // Told once. The alarm stands long enough to be seen.
        return alarms.report(name, false, said, now())
      }
      case 'lateness': {
        const { streamId } = body.stream
        if (tenantId === null) return
        const { streamClass, viewer, glassToGlassMs } = body
        return slo.record({ tenantId, streamId, streamClass, viewer }, glassToGlassMs, now())
      }
    }
  }
  return facts.subscribe({
    name: 'conditions',
    of: 'all',
    kinds: MEDIA_KINDS,
    capacity: 10_000,
    take(batch) {
      for (const fact of batch) note(fact)
    },
  })
}

function ofStream(kind: AlarmKind, { tenantId, streamId }: StreamName): AlarmName {
  return { kind, tenantId, subject: `stream:${streamId}` }
}
