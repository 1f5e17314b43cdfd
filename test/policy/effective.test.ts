import test from 'ava'
import { CodedError } from '../../common/errors.ts'
import { policyDocumentSchema } from '../../common/wire/policy-document.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import { effectivePolicy } from '../../policy/effective.ts'
import { policy } from './makers.ts'

test('without a document the classes are as designed', (t) => {
  const { classes, acl, ceilings } = policy()
  for (const name of ['focus', 'director', 'record', 'bulk'] as const) {
    t.deepEqual(classes[name].profile, CLASS_PROFILES[name])
    t.is(classes[name].strategy.name, CLASS_PROFILES[name].strategy)
    t.is(classes[name].encryption.minAesBits, 128)
  }
  t.true(acl.size > 0)
  t.deepEqual(new Set(Object.values(ceilings)), new Set([null]))
})

test('a document tightens and loosens', (t) => {
  const { classes, switching, contractSeconds, avoidNodes, requireRegion } = policy({
    classes: {
      focus: { glass_to_glass_ms: 150, video_kbps: { ceiling: 4000 }, rist_buffer: { max_ms: 90 } },
      record: { glass_to_glass_ms: null, uplinks: 'duplicate' },
    },
    encryption: {
      min_aes_bits: 128,
      forbid_transports: ['srt'],
      classes: { focus: { min_aes_bits: 256, forbid_transports: ['rtp'] } },
    },
    paths: {
      strategies: { bulk: 'hops' },
      avoid_nodes: ['edge-9'],
      require_region: 'eu',
      deterministic: ['focus'],
    },
    limits: { contract_seconds: 60, switch_seconds: 45, switch_margin_percent: 30 },
  })
  t.is(classes.focus.profile.glassToGlassMs, 150)
  t.deepEqual(classes.focus.profile.videoKbps, { floor: 600, start: 3000, ceiling: 4000 })
  t.deepEqual(classes.focus.profile.ristBuffer, { rttMultiple: 4, minMs: 50, maxMs: 90 })
  t.is(classes.record.profile.glassToGlassMs, null)
  t.is(classes.record.profile.uplinks, 'duplicate')
  t.is(classes.focus.encryption.minAesBits, 256)
  t.deepEqual([...classes.focus.encryption.forbidTransports], ['srt', 'rtp'])
  t.is(classes.bulk.encryption.minAesBits, 128)
  t.deepEqual([...classes.bulk.encryption.forbidTransports], ['srt'])
  t.is(classes.bulk.strategy.name, 'hops')
  t.true(classes.focus.deterministic)
  t.false(classes.record.deterministic)
  t.deepEqual(switching, { minIntervalMs: 45_000, margin: 0.3 })
  t.is(contractSeconds, 60)
  t.true(avoidNodes.has('edge-9'))
  t.is(requireRegion, 'eu')
})

test('a class can not undercut what its tenant demands', (t) => {
  const { classes } = policy({ encryption: { min_aes_bits: 256, classes: { bulk: { min_aes_bits: 128 } } } })
  t.is(classes.bulk.encryption.minAesBits, 256)
})

test('numbers that contradict each other are refused, with the place', (t) => {
  const cases: [Parameters<typeof policy>[0], RegExp][] = [
    [
      { classes: { focus: { video_kbps: { floor: 9000 } } } },
      /classes\.focus\.video_kbps: floor 9000 <= start 3000/,
    ],
    [{ classes: { director: { video_kbps: { ceiling: 1000 } } } }, /classes\.director\.video_kbps/],
    [{ classes: { focus: { rist_buffer: { min_ms: 150 } } } }, /min_ms 150 is more than max_ms 120/],
    [{ classes: { record: { glass_to_glass_ms: 250 } } }, /buffer of at least 300 ms can't meet 250 ms/],
    [{ classes: { bulk: { video_kbps: { floor: 0, start: 0, ceiling: 10 } } } }, /ceiling of 10/],
  ]
  for (const [document, expected] of cases) {
    const error = t.throws(() => effectivePolicy('tv1', document ?? {}, 1), { instanceOf: CodedError })
    t.is(error.code, 'policy_invalid')
    t.is(error.status, 400)
    t.regex(error.details.join('\n'), expected)
  }
})

test('documents are strict', (t) => {
  const wrong: unknown[] = [
    { clases: {} },
    { classes: { focus: { video_kbps: { floor: -1 } } } },
    { classes: { fast: {} } },
    { acl: [{ effect: 'allow', subjects: ['role:king'], actions: ['publish'] }] },
    { acl: [{ effect: 'maybe', subjects: ['*'], actions: ['publish'] }] },
    { acl: [{ effect: 'allow', subjects: ['*'], actions: ['fly'] }] },
    { acl: [{ effect: 'allow', subjects: ['*'], actions: ['publish'], streams: ['cam/*'] }] },
    { acl: [{ effect: 'allow', subjects: [], actions: ['publish'] }] },
    { encryption: { min_aes_bits: 64 } },
    { encryption: { forbid_transports: ['carrier-pigeon'] } },
    { paths: { strategies: { focus: 'random' } } },
    { limits: { switch_seconds: 5 } },
    { limits: { max_hops: 99 } },
    { admission: { max_streams: 1.5 } },
    JSON.parse('{"__proto__": {"acl": []}}'),
  ]
  for (const document of wrong)
    t.false(policyDocumentSchema.safeParse(document).success, JSON.stringify(document))
  const parsed = policyDocumentSchema.parse({
    acl: [{ effect: 'allow', subjects: ['*'], actions: ['subscribe'] }],
  })
  t.deepEqual(parsed.acl?.[0]?.streams, ['*'])
})
