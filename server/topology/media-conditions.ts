import { SYSTEM_CLOCK } from '../../common/clock.ts'
import type { AlarmKind } from '../../common/wire/alarm.ts'
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

/** Turns a lost input, a dead child and ports of others into alarms, and viewers' measurements into service levels. */
export function mediaConditions(
  facts: Pick<TenantFacts, 'subscribe'>,
  { alarms, slo, now = SYSTEM_CLOCK.steady }: MediaConditions,
): Subscription {
  const note = ({ tenantId, body }: TenantFact<'stream' | 'child' | 'ports' | 'lateness'>) => {
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
        for (const kind of ['input_lost', 'service_restarting', 'port_unavailable'] as const)
          alarms.gone(ofStream(kind, body.stream), now())
        return
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
    kinds: ['stream', 'child', 'ports', 'lateness'],
    capacity: 10_000,
    take(batch) {
      for (const fact of batch) note(fact)
    },
  })
}

function ofStream(kind: AlarmKind, { tenantId, streamId }: StreamName): AlarmName {
  return { kind, tenantId, subject: `stream:${streamId}` }
}
