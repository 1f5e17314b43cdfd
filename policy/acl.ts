import type { Principal } from '../common/wire/decision.ts'
import type { Action } from '../common/wire/ids.ts'
import type { AclRule } from '../common/wire/policy-document.ts'
import { compileGlob, globCost, matchesAll, patternsMayMeet } from './glob.ts'
import { laneOfInput } from './inputs/input-names.ts'

/** Who wants to do what. */
export interface AccessQuestion {
  readonly principal: Principal
  readonly action: Action
  /**
   * null: the action is not about one stream. undefined: which stream the action is about, if any, is not known yet.
   */
  readonly streamId: string | null | undefined
}

export interface AccessAnswer {
  readonly allowed: boolean
  /** Name of the rule that decided; `acl[3]` for a nameless one, `no rule` where none matched. */
  readonly rule: string
  readonly reason: string
}

type Ask = (question: AccessQuestion) => boolean

interface CompiledRule {
  readonly name: string
  readonly matches: Ask
}

/** Rules of one action, split so that denials are asked first. */
interface ActionRules {
  readonly deny: readonly CompiledRule[]
  readonly allow: readonly CompiledRule[]
}

export type CompiledAcl = ReadonlyMap<Action, ActionRules>

/**
 * Actions that a tenant's document can't take from the hub's admin. With these actions the admin can repair the policy
 * of a tenant that locked everybody out.
 */
const ADMINISTRATION: ReadonlySet<Action> = new Set<Action>([
  'policy.read',
  'policy.write',
  'tenant.read',
  'tenant.write',
  'token.write',
  'audit.read',
  'metrics.read',
])

export function compileAcl(rules: readonly AclRule[], actions: readonly Action[]): CompiledAcl {
  const compiled = rules.map((rule, index) => ({
    rule,
    name: rule.name ?? `acl[${index}]`,
    matches: compileRule(rule),
  }))
  return new Map(
    actions.map((action) => {
      const about = compiled.filter(({ rule }) =>
        rule.actions.some((each) => each === '*' || each === action),
      )
      return [
        action,
        {
          deny: about.filter(({ rule }) => rule.effect === 'deny'),
          allow: about.filter(({ rule }) => rule.effect === 'allow'),
        },
      ]
    }),
  )
}

/**
 * The highest cost of asking an ACL one question, in the steps of `globCost`. Patterns of streams and subjects that are
 * neither whole names nor beginnings of names are searched for in each id.
 * @param most counting ends above this cost
 */
export function aclCost(rules: readonly AclRule[], most: number): number {
  let steps = 0
  for (const { streams, subjects } of rules) {
    for (const stream of streams) steps += globCost(stream)
    for (const subject of subjects) steps += globCost(subject.slice(subject.indexOf(':') + 1))
    if (steps > most) break
  }
  return steps
}

/**
 * Whether a principal of the tenant may do this. The grants of the principal's token decide first; then deny beats
 * allow, and no matching rule means deny. Tenancy is asked elsewhere (`tenancy.ts`): the principal is taken to belong
 * to the tenant.
 *
 * While the stream is not known, the answer denies only principals who may do this with no stream at all. An allowed
 * question must be asked again once the stream is known.
 */
export function askAcl(acl: CompiledAcl, question: AccessQuestion): AccessAnswer {
  const { principal, action, streamId } = question
  const what = typeof streamId === 'string' ? `${action} on "${streamId}"` : action
  if (!withinGrants(question)) {
    return denied('token grants', `the token of ${principal.id} does not reach as far as ${what}`)
  }
  if (principal.role === 'admin' && principal.tenant_id === null && ADMINISTRATION.has(action)) {
    return { allowed: true, rule: 'hub admin', reason: `the hub's admin may always ${what}` }
  }
  const rules = acl.get(action)
  const deny = denial(rules?.deny, question)
  if (deny) return denied(deny.name, `rule "${deny.name}" denies ${principal.role} ${principal.id} ${what}`)
  if (principal.role === 'admin' && principal.tenant_id === null) {
    return { allowed: true, rule: 'hub admin', reason: `the hub's admin may ${what}, and no rule denies it` }
  }
  const allow = rules?.allow.find((rule) => rule.matches(question))
  if (!allow) return denied('no rule', `no rule allows ${principal.role} ${principal.id} ${what}`)
  return {
    allowed: true,
    rule: allow.name,
    reason: `rule "${allow.name}" allows ${principal.role} ${principal.id} ${what}`,
  }
}

/** Who may not watch `cam1` may not watch its input `cam1.primary` either. */
function denial(rules: ActionRules['deny'] = [], question: AccessQuestion): CompiledRule | undefined {
  const lane = typeof question.streamId === 'string' ? laneOfInput(question.streamId) : null
  const ofLane = lane === null ? null : { ...question, streamId: lane }
  return rules.find((rule) => rule.matches(question) || (ofLane !== null && rule.matches(ofLane)))
}

function denied(rule: string, reason: string): AccessAnswer {
  return { allowed: false, rule, reason }
}

/**
 * A principal whose grants name streams may do nothing that is not about one of these streams. Such a principal may not
 * even read what belongs to the whole tenant, because other streams are part of that. A node's reports that name no
 * stream are about the node itself.
 */
function withinGrants({ principal, action, streamId }: AccessQuestion): boolean {
  const { grants, node_id } = principal
  if (!grants.actions.some((each) => each === '*' || each === action)) return false
  const streams = grantedStreams(grants)
  if (streams === 'all') return true
  if (streamId === undefined) return streams.length > 0 || (action === 'telemetry' && node_id !== null)
  if (streamId === null) return action === 'telemetry' && node_id !== null
  return streams.some((matches) => matches(streamId))
}

type Grants = Principal['grants']
type GrantedStreams = 'all' | readonly ((streamId: string) => boolean)[]

/** A list asks about each of its items with the same token: the compiled grants are kept. */
const granted = new WeakMap<Grants, GrantedStreams>()

function grantedStreams(grants: Grants): GrantedStreams {
  const known = granted.get(grants)
  if (known !== undefined) return known
  const streams = grants.streams.some(matchesAll) ? 'all' : grants.streams.map(compileGlob)
  granted.set(grants, streams)
  return streams
}

function compileRule(rule: AclRule): Ask {
  const subjects = rule.subjects.map(compileSubject)
  const everyStream = rule.streams.some(matchesAll)
  const streams = rule.streams.map(compileGlob)
  const about = ({ streamId, principal: { grants } }: AccessQuestion): boolean => {
    if (streamId === null) return false
    if (streamId !== undefined) return streams.some((matches) => matches(streamId))
    // A rule that denies some of the granted streams may leave others.
    return rule.effect === 'allow' && mayMeet(rule.streams, grants.streams)
  }
  return (question) => (everyStream || about(question)) && subjects.some((subject) => subject(question))
}

/** Most pairs of patterns that are compared. Above this number the exact question decides later. */
const MAX_PAIRS = 500

/** Whether a stream may exist that matches a pattern of both lists. The answer is no only where none can exist. */
function mayMeet(one: readonly string[], other: readonly string[]): boolean {
  if (one.length * other.length > MAX_PAIRS) return true
  return one.some((a) => other.some((b) => patternsMayMeet(a, b)))
}

/** Whether a principal is the subject of a rule: `*`, `anonymous`, `role:` and a role, `user:` or `node:` and a pattern. */
export function compileSubject(subject: string): (asked: Pick<AccessQuestion, 'principal'>) => boolean {
  if (subject === '*') return () => true
  if (subject === 'anonymous') return ({ principal }) => principal.role === 'anonymous'
  const colon = subject.indexOf(':')
  const [kind, name] = [subject.slice(0, colon), subject.slice(colon + 1)]
  if (kind === 'role') return ({ principal }) => principal.role === name
  const matches = compileGlob(name)
  if (kind === 'node') return ({ principal }) => principal.node_id !== null && matches(principal.node_id)
  return ({ principal }) =>
    principal.node_id === null && principal.role !== 'anonymous' && matches(principal.id)
}
