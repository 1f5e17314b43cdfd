import { createProgramSchema } from '../../../common/wire/programs-api.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import type { AuthenticatedPrincipal } from '../../../server/auth/principal.ts'
import { ALL_GRANTS } from '../../../server/auth/principal.ts'
import type { Asker } from '../../../server/programs/asker.ts'
import { Programs, type ProgramsOptions } from '../../../server/programs/programs.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { StubStreams } from './stub-streams.ts'

export const TENANT = 'tv1'

export function principalOf(
  id: string,
  role: AuthenticatedPrincipal['role'] = 'operator',
): AuthenticatedPrincipal {
  return {
    id,
    role,
    tenant_id: TENANT,
    node_id: null,
    grants: ALL_GRANTS,
    credential: 'jwt',
    token_id: id,
    expires_at: null,
  }
}

export const askerOf = (id: string): Asker => ({
  owner: `user:${id}`,
  actor: `user:${id}`,
  requestId: 'r',
  mayStill: () => true,
})

/** Programs over streams without media, and all that they told. */
export async function programRig(more: Partial<ProgramsOptions> = {}, kept?: { store: Store }) {
  const stack = new AsyncDisposableStack()
  const store = kept?.store ?? stack.use(await openMemoryStore())
  const streams = new StubStreams()
  const told: string[] = []
  const refused: AuditDraft[] = []
  const errors: unknown[] = []
  const time = { now: Date.now() }
  const programs = stack.use(
    new Programs({
      store,
      hubId: 'hub',
      streams,
      streamIds: (tenantId) =>
        streams.list().flatMap(({ spec }) => (spec.tenantId === tenantId ? [spec.streamId] : [])),
      mayWatch: (_principal, _tenantId, streamId) => ({
        allowed: !streamId.startsWith('secret'),
        rule: 'no secrets',
        reason: 'that is secret',
      }),
      workersFull: () => null,
      opened: ({ id }) => told.push(`opened ${id}`),
      closed: ({ id }) => told.push(`closed ${id}`),
      tell: ({ id }, news) => told.push(`${news} ${id}`),
      took: (code) => told.push(`took ${code}`),
      noteRefusal: (draft) => refused.push(draft),
      onError: (error) => errors.push(error),
      clock: { wall: () => time.now, steady: () => time.now },
      ...more,
    }),
  )
  await programs.restore()
  return {
    programs,
    streams,
    store,
    told,
    refused,
    errors,
    time,
    /** Makes a program; `more` are further fields of the request. */
    create: (program_id: string, inputs: readonly string[], fields: object = {}) =>
      programs.create(
        principalOf('mona'),
        TENANT,
        createProgramSchema.parse({ program_id, inputs, ...fields }),
        'r',
      ),
    source: (programId: string) => streams.switched(TENANT, programId)!,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
