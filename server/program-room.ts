import type { MediaEvents } from '../sfu/media-events.ts'
import type { TenantFacts } from './facts/fact.ts'
import type { FlowRoom } from './flow-room.ts'
import { type Metrics, tally } from './metrics.ts'
import { Authorizer } from './policies/authorizer.ts'
import type { PolicyBook } from './policies/policy-book.ts'
import { CutRate } from './programs/cut-rate.ts'
import type { ProgramStreams } from './programs/program-source.ts'
import { Programs, type ProgramsOptions } from './programs/programs.ts'

export interface ProgramRoomOptions extends Pick<ProgramsOptions, 'store' | 'hubId' | 'workersFull'> {
  readonly streams: ProgramStreams
  readonly flows: Pick<FlowRoom, 'routes' | 'viewers' | 'subscriptions'>
  readonly policies: Pick<PolicyBook, 'tenantIds' | 'onChange' | 'effective'>
  readonly facts: Pick<TenantFacts, 'tell'>
  readonly metrics: Metrics
  readonly events: Pick<MediaEvents, 'error'>
}

/** Programs, and how often each asker may cut. */
export interface ProgramRoom extends AsyncDisposable {
  readonly programs: Programs
  readonly rate: CutRate
}

/** Opens the room of programs. Those from before a restart go on. */
export async function openPrograms(options: ProgramRoomOptions): Promise<ProgramRoom> {
  const { streams, flows, policies, facts, metrics, events, ...rest } = options
  await using stack = new AsyncDisposableStack()
  const onError = (error: unknown) => events.error('programs', 'program', error)
  const authorizer = new Authorizer(policies, flows.routes.policyOf)
  const { viewers, subscriptions } = flows
  const programs = stack.use(
    new Programs({
      ...rest,
      streams,
      streamIds: (tenantId) =>
        streams.list().flatMap(({ spec }) => (spec.tenantId === tenantId ? [spec.streamId] : [])),
      mayWatch: (principal, tenantId, streamId) => {
        const { allow, rule, reason } = authorizer.authorize(principal, 'subscribe', { tenantId, streamId })
        return { allowed: allow, rule, reason }
      },
      opened: ({ tenantId, id, state }) => {
        viewers.prioritize(tenantId, id, state.priority)
        subscriptions.streamOpened(tenantId, id)
      },
      closed: ({ tenantId, id }) => {
        viewers.endAll(tenantId, id, 'revoked')
        subscriptions.streamClosed(tenantId, id)
      },
      tell: ({ tenantId, id }, news, data) =>
        facts.tell(tenantId, { kind: 'program', programId: id, news, data }),
      took: (code, ms) => {
        metrics.takes.inc({ outcome: code ?? 'taken' })
        if (ms !== null) metrics.takeTime.observe(ms / 1000)
      },
      noteRefusal: (draft) => void flows.routes.noteDecision(draft, false).catch(onError),
      onError,
    }),
  )
  await programs.restore()
  stack.defer(policies.onChange(({ tenantId }) => programs.policyChanged(tenantId)))
  stack.defer(
    metrics.gauge('lanecast_programs', () =>
      tally(programs.list(null), (each) => ({ state: each.streamState })),
    ),
  )
  const owned = stack.move()
  return { programs, rate: new CutRate(), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
