import type { refusalCodes } from '../../../common/wire/decision.ts'

/** The HTTP status of each refusal of the policy. The list has every code, so that none goes undeclared. */
const STATUS: Readonly<Record<(typeof refusalCodes)[number], number>> = {
  acl_denied: 403,
  stream_not_found: 404,
  node_not_found: 404,
  node_down: 409,
  no_transport: 409,
  latency_budget: 409,
  no_path: 503,
  saturated: 503,
}

/** Errors of a route that decides: every refusal of the policy, and the route's own errors. */
export function errorsWithRefusals(
  own: Readonly<Record<number, readonly string[]>> = {},
): Readonly<Record<number, readonly string[]>> {
  const all: Record<number, readonly string[]> = { ...own }
  for (const [code, status] of Object.entries(STATUS)) all[status] = [...(all[status] ?? []), code]
  return all
}
