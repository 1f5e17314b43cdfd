import test from 'ava'
import type { PolicyDocument } from '../../../common/wire/policy-document.ts'
import { effectivePolicy } from '../../../policy/effective.ts'
import { HubPolicies } from '../../../server/flows/hub-policy.ts'

const HUB = {
  maxStreams: 10,
  maxStreamsPerToken: 5,
  maxViewers: 100,
  maxViewersPerStream: 50,
  maxViewersPerAddress: 20,
  uplinkKbps: null,
}

test("a tenant's policy may allow less than the hub does, not more", (t) => {
  const under = (admission: PolicyDocument['admission']) =>
    new HubPolicies((tenantId) => effectivePolicy(tenantId, { ...(admission && { admission }) }, 1), {
      rule: null,
      ceilings: HUB,
    }).of('tv1').ceilings
  t.deepEqual(under(undefined), HUB)
  t.deepEqual(under({ max_viewers: 7, max_viewers_per_stream: 500, uplink_kbps: 9000 }), {
    ...HUB,
    maxViewers: 7,
    uplinkKbps: 9000,
  })
})

test('a policy is put together once for each version', (t) => {
  let policy = effectivePolicy('tv1', {}, 1)
  const policies = new HubPolicies(() => policy, { rule: null, ceilings: HUB })
  t.is(policies.of('tv1'), policies.of('tv1'))
  const before = policies.of('tv1')
  policy = effectivePolicy('tv1', { admission: { max_streams: 1 } }, 2)
  t.is(policies.of('tv1').ceilings.maxStreams, 1)
  t.not(policies.of('tv1'), before)

  policies.change({ rule: null, ceilings: { ...HUB, maxStreams: 0, maxViewers: 3 } })
  t.like(policies.of('tv1').ceilings, { maxStreams: 0, maxViewers: 3 })
})
