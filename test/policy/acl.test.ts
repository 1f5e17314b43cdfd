import test from 'ava'
import { ACTIONS, PRINCIPAL_ROLES } from '../../common/wire/ids.ts'
import { type AclRule, aclRuleSchema } from '../../common/wire/policy-document.ts'
import { type AccessQuestion, askAcl, compileAcl } from '../../policy/acl.ts'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { compileGlob } from '../../policy/glob.ts'
import { principal } from './makers.ts'
import { Seeded } from './seeded.ts'

const rule = (more: Partial<AclRule>): AclRule => ({
  effect: 'allow',
  subjects: ['*'],
  actions: ['*'],
  streams: ['*'],
  ...more,
})
const answer = (rules: readonly AclRule[], question: Partial<AccessQuestion> = {}) =>
  askAcl(compileAcl(rules, ACTIONS), {
    principal: principal(),
    action: 'publish',
    streamId: 'cam-1',
    ...question,
  })

test('patterns match whole texts', (t) => {
  const cases: [string, string, boolean][] = [
    ['cam-1', 'cam-1', true],
    ['cam-1', 'cam-10', false],
    ['*', '', true],
    ['cam-*', 'cam-', true],
    ['cam-*', 'xcam-1', false],
    ['*-1', 'cam-1', true],
    ['c?m', 'cam', true],
    ['c?m', 'cm', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b', 'xxbxxa', false],
    ['a*a', 'a', false],
    ['**?', 'x', true],
    ['?*', '', false],
    ['cam.1', 'camx1', false],
  ]
  for (const [pattern, text, matches] of cases)
    t.is(compileGlob(pattern)(text), matches, `${pattern} ${text}`)
})

test('who may not have a stream may not have its inputs either', (t) => {
  const deny = rule({ effect: 'deny', name: 'not the vault', streams: ['vault'] })
  const may = (streamId: string, rules = [rule({}), deny]) => answer(rules, { streamId }).allowed
  for (const streamId of ['vault', 'vault.primary', 'vault.standby', 'vault.standby-2'])
    t.false(may(streamId), streamId)
  for (const streamId of ['vault.other', 'vault.primary.x', 'other.primary', '.primary', 'primary'])
    t.true(may(streamId), streamId)
  // What is allowed is allowed by its full name alone.
  t.false(may('vault.primary', [rule({ streams: ['vault'] })]))
})

test('no pattern takes long', (t) => {
  const matches = compileGlob(`${'*a'.repeat(31)}*b`)
  const from = performance.now()
  t.false(matches('a'.repeat(20_000)))
  t.true(performance.now() - from < 1000)
})

test('patterns agree with a plain definition of them', (t) => {
  const random = new Seeded(1)
  const plain = (pattern: string, text: string): boolean => {
    const [head, rest] = [pattern[0], pattern.slice(1)]
    if (head === undefined) return text === ''
    if (head === '*') return plain(rest, text) || (text !== '' && plain(pattern, text.slice(1)))
    return text !== '' && (head === '?' || head === text[0]) && plain(rest, text.slice(1))
  }
  const word = (letters: string) =>
    Array.from({ length: random.int(0, 7) }, () => random.pick([...letters])).join('')
  for (let round = 0; round < 5000; round += 1) {
    const [pattern, text] = [word('ab*?'), word('ab')]
    t.is(compileGlob(pattern)(text), plain(pattern, text), `${pattern} ${text}`)
  }
})

test('no rule is a deny', (t) => {
  t.like(answer([]), { allowed: false, rule: 'no rule' })
  t.like(answer([rule({ actions: ['subscribe'] })]), { allowed: false, rule: 'no rule' })
})

test('each kind of subject, action and stream', (t) => {
  const node = principal({ id: 'n1', role: 'node', node_id: 'n1' })
  const alice = principal({ id: 'alice', role: 'viewer' })
  const nobody = principal({ id: 'anonymous', role: 'anonymous' })
  const cases: [Partial<AclRule>, Partial<AccessQuestion>, boolean][] = [
    [{ subjects: ['role:viewer'] }, { principal: alice }, true],
    [{ subjects: ['role:viewer'] }, { principal: node }, false],
    [{ subjects: ['user:alice'] }, { principal: alice }, true],
    [{ subjects: ['user:al*'] }, { principal: alice }, true],
    [{ subjects: ['user:bob'] }, { principal: alice }, false],
    [{ subjects: ['user:*'] }, { principal: node }, false],
    [{ subjects: ['user:*'] }, { principal: nobody }, false],
    [{ subjects: ['node:n?'] }, { principal: node }, true],
    [{ subjects: ['node:*'] }, { principal: alice }, false],
    [{ subjects: ['anonymous'] }, { principal: nobody }, true],
    [{ subjects: ['anonymous'] }, { principal: alice }, false],
    [{ subjects: ['*'] }, { principal: nobody }, true],
    [{ actions: ['publish', 'subscribe'] }, {}, true],
    [{ actions: ['subscribe'] }, {}, false],
    [{ streams: ['cam-*'] }, {}, true],
    [{ streams: ['mic-*'] }, {}, false],
    [{ streams: ['mic-*', 'cam-1'] }, {}, true],
    // An action that is about no stream is only spoken about by rules for every stream.
    [{ streams: ['cam-*'] }, { action: 'node.read', streamId: null }, false],
    [{ streams: ['*'] }, { action: 'node.read', streamId: null }, true],
  ]
  for (const [more, question, allowed] of cases) {
    t.is(answer([rule(more)], question).allowed, allowed, JSON.stringify({ more, question }))
  }
})

test('the rule that decided is named', (t) => {
  const rules = [
    rule({ name: 'all may' }),
    rule({ effect: 'deny', actions: ['publish'] }),
    rule({ name: 'not bob', effect: 'deny', subjects: ['user:bob'] }),
  ]
  t.like(answer(rules, { action: 'subscribe' }), { allowed: true, rule: 'all may' })
  t.like(answer(rules), { allowed: false, rule: 'acl[1]' })
  const bob = principal({ id: 'bob', role: 'viewer' })
  t.like(answer(rules, { action: 'subscribe', principal: bob }), { allowed: false, rule: 'not bob' })
  t.regex(
    answer(rules, { action: 'subscribe', principal: bob }).reason,
    /"not bob" denies viewer bob subscribe/,
  )
})

test('a token reaches no further than its grants', (t) => {
  const limited = principal({ grants: { streams: ['cam-?'], actions: ['publish', 'node.read'] } })
  const ask = (question: Partial<AccessQuestion>) => answer([rule({})], { principal: limited, ...question })
  t.true(ask({}).allowed)
  t.like(ask({ action: 'node.read', streamId: null }), { allowed: false, rule: 'token grants' })
  t.like(ask({ streamId: 'cam-10' }), { allowed: false, rule: 'token grants' })
  t.like(ask({ action: 'subscribe' }), { allowed: false, rule: 'token grants' })
  const hubAdmin = principal({
    role: 'admin',
    tenant_id: null,
    grants: { streams: ['*'], actions: ['audit.read'] },
  })
  t.false(answer([], { principal: hubAdmin, action: 'policy.write', streamId: null }).allowed)
})

test('a caller that is limited to streams does nothing that is not about these streams', (t) => {
  const every = compileAcl([rule({})], ACTIONS)
  const roles = PRINCIPAL_ROLES.filter((role) => role !== 'anonymous')
  for (const role of roles)
    for (const action of ACTIONS) {
      const ask = (
        streams: string[],
        streamId: AccessQuestion['streamId'],
        node_id: string | null = null,
      ) => {
        const tenant_id = role === 'admin' ? null : 'tv1'
        const asking = principal({ role, tenant_id, node_id, grants: { streams, actions: ['*'] } })
        return askAcl(every, { principal: asking, action, streamId }).allowed
      }
      const name = `${role} ${action}`
      t.deepEqual(
        [ask(['cam-*'], 'cam-1'), ask(['cam-*'], 'mic-1'), ask([], 'cam-1')],
        [true, false, false],
        name,
      )
      t.deepEqual(
        [ask(['cam-*'], null), ask(['cam-1', 'mic-?'], null), ask([], null)],
        [false, false, false],
        name,
      )
      t.deepEqual([ask(['*'], null), ask(['cam-1', '**'], null)], [true, true], name)
      // Which stream it is about is not known yet.
      t.deepEqual([ask(['cam-*'], undefined), ask([], undefined)], [true, false], name)
      // A node speaks about itself, and nobody else does.
      t.is(ask(['cam-*'], null, 'n1'), action === 'telemetry', name)
    }
})

test('while the stream is not known, only callers who may do this with no stream are refused', (t) => {
  const limited = (...streams: string[]) => principal({ grants: { streams, actions: ['*'] } })
  const cases: [AclRule[], Partial<AccessQuestion>, boolean][] = [
    [[rule({})], {}, true],
    [[], {}, false],
    [[rule({ streams: ['cam-*'] })], {}, true],
    [[rule({ streams: ['cam-*'] })], { principal: limited('cam-1') }, true],
    [[rule({ streams: ['cam-*'] })], { principal: limited('mic-*') }, false],
    [[rule({ streams: ['cam-*'] })], { principal: limited('mic-*', '*-1') }, true],
    [[rule({ streams: ['cam-1'] })], { principal: limited('*-2') }, false],
    [[rule({ streams: ['*-hd'] })], { principal: limited('*-sd') }, false],
    [[rule({ subjects: ['role:operator'] })], { principal: principal({ role: 'viewer' }) }, false],
    [[rule({}), rule({ effect: 'deny', streams: ['cam-*'] })], {}, true],
    [[rule({}), rule({ effect: 'deny', streams: ['cam-1', '*'] })], {}, false],
    [[rule({ actions: ['subscribe'] })], {}, false],
  ]
  for (const [rules, question, allowed] of cases)
    t.is(answer(rules, { ...question, streamId: undefined }).allowed, allowed, JSON.stringify(rules))
})

test('what is refused while the stream is not known, no stream would change', (t) => {
  const random = new Seeded(7)
  const words = ['*', 'cam-*', 'cam-1', '?am-2', '*-1', 'mic-?', 'c*1']
  const some = () => Array.from({ length: random.int(1, 2) }, () => random.pick(words))
  for (let round = 0; round < 3000; round += 1) {
    const rules = Array.from({ length: random.int(0, 4) }, () =>
      rule({ effect: random.pick(['allow', 'allow', 'deny']), streams: some() }),
    )
    const asking = principal({ grants: { streams: some(), actions: ['*'] } })
    if (answer(rules, { principal: asking, streamId: undefined }).allowed) continue
    for (const streamId of ['cam-1', 'cam-2', 'mic-1', 'xam-2', 'c-1', null])
      t.false(answer(rules, { principal: asking, streamId }).allowed, JSON.stringify({ rules, streamId }))
  }
})

test("a tenant can't lock the hub's admin out of mending it", (t) => {
  const admin = principal({ id: 'root', role: 'admin', tenant_id: null })
  const everybodyOut = [rule({ effect: 'deny' })]
  t.true(answer(everybodyOut, { principal: admin, action: 'policy.write', streamId: null }).allowed)
  t.false(answer(everybodyOut, { principal: admin }).allowed)
  t.true(answer([], { principal: admin }).allowed)
  const tenantAdmin = principal({ role: 'admin' })
  t.false(answer([], { principal: tenantAdmin, action: 'policy.write', streamId: null }).allowed)
})

test('deny beats allow, wherever the rule stands', (t) => {
  const random = new Seeded(2)
  const someRule = (): AclRule =>
    rule({
      effect: random.pick(['allow', 'deny']),
      subjects: [
        random.pick([
          '*',
          'anonymous',
          'user:a*',
          'node:n1',
          ...PRINCIPAL_ROLES.map((role) => `role:${role}`),
        ]),
      ],
      actions: [random.pick(['*', ...ACTIONS] as const)],
      streams: [random.pick(['*', 'cam-*', 'cam-1', '?am-2'])],
    })
  for (let round = 0; round < 2000; round += 1) {
    const rules = Array.from({ length: random.int(0, 12) }, someRule)
    const role = random.pick(PRINCIPAL_ROLES.filter((each) => each !== 'admin'))
    const question: AccessQuestion = {
      principal: principal({
        id: random.pick(['alice', 'bob']),
        role,
        node_id: role === 'node' ? 'n1' : null,
      }),
      action: random.pick(ACTIONS),
      streamId: random.pick(['cam-1', 'cam-2', 'mic-1', null]),
    }
    const whole = answer(rules, question).allowed
    const alone = (each: AclRule) => answer([{ ...each, effect: 'allow' }], question).allowed
    const denied = rules.some((each) => each.effect === 'deny' && alone(each))
    const allowed = rules.some((each) => each.effect === 'allow' && alone(each))
    t.is(whole, allowed && !denied, JSON.stringify({ rules, question }))
    t.is(answer(random.shuffled(rules), question).allowed, whole)
    t.false(answer([...rules, rule({ effect: 'deny' })], question).allowed)
  }
})

test('the default rules give each role its work', (t) => {
  const ask = (role: (typeof PRINCIPAL_ROLES)[number], action: (typeof ACTIONS)[number]) =>
    answer(DEFAULT_ACL, { principal: principal({ id: 'x', role }), action }).allowed
  t.deepEqual(
    ACTIONS.filter((action) => ask('anonymous', action)),
    [],
  )
  t.deepEqual(
    ACTIONS.filter((action) => ask('viewer', action)),
    ['subscribe', 'telemetry', 'stream.read'],
  )
  t.true(ask('publisher', 'publish'))
  t.false(ask('publisher', 'subscribe'))
  t.true(ask('director', 'control'))
  t.false(ask('director', 'policy.write'))
  t.true(ask('operator', 'policy.write'))
  for (const each of DEFAULT_ACL) t.notThrows(() => aclRuleSchema.parse(each))
})
