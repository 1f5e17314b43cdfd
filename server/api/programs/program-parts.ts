import { z } from 'zod'
import { SYSTEM_CLOCK } from '../../../common/clock.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import { askAcl } from '../../../policy/acl.ts'
import type { EffectivePolicy } from '../../../policy/effective.ts'
import { type AuthenticatedPrincipal, actorOf } from '../../auth/principal.ts'
import { ownerOf } from '../../flows/publisher-flow.ts'
import type { Asker } from '../../programs/asker.ts'
import type { CutRate } from '../../programs/cut-rate.ts'
import type { Program } from '../../programs/program.ts'
import type { Programs } from '../../programs/programs.ts'
import type { RouteContext, Scope } from '../route.ts'

/** What the routes about programs need of the hub. */
export interface ProgramParts {
  readonly programs: Pick<Programs, 'create' | 'change' | 'remove' | 'get' | 'list'>
  readonly rate: CutRate
  readonly policyOf: (tenantId: string) => EffectivePolicy
  /** Whether a caller's proof is still good. */
  readonly isCurrent: (principal: AuthenticatedPrincipal) => boolean
}

const programParams = z.strictObject({ program_id: streamIdSchema })
export const programQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })

interface ProgramHead {
  readonly params: z.output<typeof programParams>
  readonly query: z.output<typeof programQuery>
}

/** Rules about streams hold for the programs of these names: a program is a stream. */
const programScope = ({ params, query }: ProgramHead): Scope => ({
  tenantId: query.tenant_id,
  streamId: params.program_id,
})

/** What all routes about one program have in common. */
export const ofProgram = { params: programParams, query: programQuery, scope: programScope } as const

/** Codes of every route that cuts. */
export const CUT_ERRORS = [
  'program_not_found',
  'program_locked',
  'too_many_requests',
  'switch_unavailable',
] as const

/** The caller of a route about this program. */
export function askerOf(
  { policyOf, isCurrent }: Pick<ProgramParts, 'policyOf' | 'isCurrent'>,
  { principal, tenantId, requestId }: RouteContext,
  { params }: Pick<ProgramHead, 'params'>,
): Asker {
  const question = { principal, action: 'program.cut', streamId: params.program_id } as const
  return {
    owner: ownerOf(principal),
    actor: actorOf(principal),
    requestId,
    mayStill: () => isCurrent(principal) && askAcl(policyOf(tenantId).acl, question).allowed,
  }
}

/**
 * The program that a caller is about to cut.
 * @throws CodedError `too_many_requests` (429) where the caller cuts too often, `program_not_found` (404)
 */
export function programToCut(
  { programs, rate }: Pick<ProgramParts, 'programs' | 'rate'>,
  { principal, tenantId }: RouteContext,
  { params }: Pick<ProgramHead, 'params'>,
): Program {
  rate.take(`${tenantId} ${ownerOf(principal)}`, SYSTEM_CLOCK.steady())
  return programs.get(tenantId, params.program_id)
}

/** Whether a caller may take the lock of a program from its holder. */
export function mayBreak(
  { policyOf }: Pick<ProgramParts, 'policyOf'>,
  { principal, tenantId }: RouteContext,
  { params }: Pick<ProgramHead, 'params'>,
): boolean {
  const question = { principal, action: 'program.manage', streamId: params.program_id } as const
  return askAcl(policyOf(tenantId).acl, question).allowed
}
