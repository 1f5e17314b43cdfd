import type { Decision, DecisionRequest, Principal, Refusal } from '../common/wire/decision.ts'
import { STREAM_CLASSES, type StreamClass } from '../common/wire/stream.ts'
import { type AccessAnswer, askAcl } from './acl.ts'
import { anonymousCeiling, saturatedQuota } from './capacity.ts'
import { attemptClass } from './class-attempt.ts'
import type { EffectivePolicy } from './effective.ts'
import type { DecisionFacts } from './facts.ts'
import type { GraphNode } from './paths/graph.ts'
import { mayActIn, maySee } from './tenancy.ts'

/** What is asked, and who asks. */
export interface Question {
  readonly principal: Principal
  readonly request: DecisionRequest
}

/**
 * Whether and how a flow may run: tenant, ACL, existence, quota; then encryption, transports, path, links, latency
 * budget, bitrate and mode. These are tried for the class in question, and for lesser classes where that class does not
 * fit.
 *
 * Pure: the same question, facts, policy and time give the same answer, reasons included.
 * @param nowMs Unix milliseconds
 */
export function decide(
  { principal, request }: Question,
  facts: DecisionFacts,
  policy: EffectivePolicy,
  nowMs: number,
): Decision {
  if (request.tenant_id !== policy.tenantId || !mayActIn(principal, request.tenant_id)) {
    return refuse(request, notFound(request), [])
  }
  const access = askAcl(policy.acl, { principal, action: request.action, streamId: request.stream_id })
  if (!access.allowed) return refuse(request, denied(access), [access.reason], access.rule)

  const reasons = [access.reason]
  const stop = (refusal: Refusal) => refuse(request, refusal, [...reasons, refusal.message], access.rule)
  if (!exists(request, facts)) return stop(notFound(request))
  const outside = outsideNode(request, facts, policy)
  if (outside !== null && 'code' in outside) return stop(outside)
  const quota = overQuota(request, facts, policy)
  if (quota) return stop(quota)

  let refusal: Refusal | undefined
  for (const name of classesToTry(request.class, policy)) {
    const attempt = attemptClass({ principal, request, facts, policy, outside, nowMs }, policy.classes[name])
    if (attempt.fits) {
      return { ...attempt.decision, rule: access.rule, reasons: [...reasons, ...attempt.decision.reasons] }
    }
    refusal ??= attempt.refusal
    reasons.push(...attempt.reasons, `class ${name} refused: ${attempt.refusal.message}`)
    if (attempt.final) break
  }
  return refuse(request, refusal ?? notFound(request), reasons, access.rule)
}

/** The class in question and, where the tenant allows a downgrade, every lesser class. */
function classesToTry(asked: StreamClass, { downgrade }: EffectivePolicy): readonly StreamClass[] {
  return downgrade ? STREAM_CLASSES.slice(STREAM_CLASSES.indexOf(asked)) : [asked]
}

/** A new stream need not exist yet. A stream that exists must be the tenant's own. */
function exists({ action, tenant_id }: DecisionRequest, { stream }: DecisionFacts): boolean {
  return stream === null ? action === 'publish' : maySee(tenant_id, stream.tenantId)
}

function outsideNode(
  { node_id }: DecisionRequest,
  { topology }: DecisionFacts,
  { tenantId }: EffectivePolicy,
): GraphNode | Refusal | null {
  if (node_id === undefined) return null
  const node = topology.node(tenantId, node_id)
  if (!node || !maySee(tenantId, node.facts.tenantId)) {
    return { code: 'node_not_found', status: 404, message: `there is no node "${node_id}"` }
  }
  if (!node.facts.up) return { code: 'node_down', status: 409, message: `node "${node_id}" is down` }
  return node
}

/** A running flow has its place already. The bitrate stage bounds how much it may grow. */
function overQuota(request: DecisionRequest, facts: DecisionFacts, policy: EffectivePolicy): Refusal | null {
  if (facts.current !== null || facts.renews || request.action === 'reroute') return null
  const { floor } = policy.classes[request.class].profile.videoKbps
  // A program of the hub's own is no viewer, and takes no viewer's place.
  const full =
    (facts.peer.hostNodeId === null
      ? (fullOfViewers(request, facts) ??
        saturatedQuota(policy.ceilings, facts.usage, request.action, floor, facts.anonymous))
      : null) ?? facts.workersFull
  return (
    full && {
      code: 'saturated',
      status: 503,
      message: `${full.resource}: ${full.words}`,
      resource: full.resource,
    }
  )
}

/** The hub itself has no connection left for one more viewer. */
function fullOfViewers({ action }: DecisionRequest, { connections, anonymous }: DecisionFacts) {
  if (action !== 'subscribe' || !connections) return null
  const { used, most } = connections
  const full = (taken: number, of: number, whose: string) =>
    taken < of ? null : { resource: 'viewer_connections', words: `${taken} of ${of} connections ${whose}` }
  return (
    full(used, most, 'of the hub') ??
    (anonymous &&
      full(
        connections.anonymous,
        anonymousCeiling(most) ?? most,
        'that the hub has for viewers without a token',
      ))
  )
}

function notFound({ stream_id }: DecisionRequest): Refusal {
  return { code: 'stream_not_found', status: 404, message: `there is no stream "${stream_id}"` }
}

function denied({ rule, reason }: AccessAnswer): Refusal {
  return { code: 'acl_denied', status: 403, message: reason, rule }
}

function refuse(
  request: DecisionRequest,
  refusal: Refusal,
  reasons: readonly string[],
  rule?: string,
): Decision {
  return {
    outcome: 'refuse',
    requested_class: request.class,
    refusal,
    reasons: reasons.length > 0 ? [...reasons] : [refusal.message],
    ...(rule === undefined ? {} : { rule }),
  }
}
