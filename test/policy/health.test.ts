import test from 'ava'
import {
  EVIDENCE_RULES,
  heldRttMs,
  type LinkEvidence,
  type LinkObservation,
  NO_EVIDENCE,
  observe,
  probingMs,
} from '../../policy/evidence.ts'
import { describeStanding, FRESHNESS_RULES, freshness, standingOf } from '../../policy/health.ts'
import { report, T0 } from './makers.ts'
import { Seeded } from './seeded.ts'

const lost = { deliveredPackets: 0 }
const pingOnly = { sentPackets: null, deliveredPackets: null }

/** Reports once a second, from `fromS` up to and without `toS` seconds after T0. */
function reports(evidence: LinkEvidence, fromS: number, toS: number, more: Partial<LinkObservation> = {}) {
  let folded = evidence
  for (let at = fromS; at < toS; at += 1) folded = observe(folded, report(T0 + 1000 * at, more))
  return folded
}
const standing = (evidence: LinkEvidence, atS: number) => standingOf(evidence, T0 + 1000 * atS)

test('the first proof of delivery is enough for a link that never failed', (t) => {
  t.is(standing(NO_EVIDENCE, 0), 'unproven')
  t.is(standing(reports(NO_EVIDENCE, 0, 1), 0), 'serving')
})

test('RTT alone never makes a link healthy', (t) => {
  const pinged = reports(NO_EVIDENCE, 0, 600, { ...pingOnly, rttMs: 1 })
  t.is(standing(pinged, 600), 'unproven')
  const served = reports(NO_EVIDENCE, 0, 10)
  const stillPinged = reports(served, 10, 40, { ...pingOnly, rttMs: 1 })
  t.is(standing(stillPinged, 40), 'silent')
  const idle = reports(served, 10, 40, { sentPackets: 0, deliveredPackets: 0 })
  t.is(standing(idle, 40), 'silent')
})

test('a dead link is not trusted for its stale low RTT', (t) => {
  const served = reports(NO_EVIDENCE, 0, 10, { rttMs: 5 })
  t.is(standing(served, 10), 'serving')
  const failed = reports(served, 10, 11, { ...lost, rttMs: 5 })
  t.is(standing(failed, 10), 'dead')
  t.regex(describeStanding(failed, T0 + 12_000), /dead: packets lost 2 s ago, last delivered 3 s ago/)
  t.is(standing(served, 9 + EVIDENCE_RULES.silentAfterMs / 1000), 'serving')
  t.is(standing(served, 10 + EVIDENCE_RULES.silentAfterMs / 1000), 'silent')
  t.is(standing(failed, 11 + EVIDENCE_RULES.deadHoldMs / 1000), 'silent')
})

test('losing half of the packets is a failure, delivered or not', (t) => {
  t.is(standing(reports(NO_EVIDENCE, 0, 5, { loss: 0.6 }), 5), 'dead')
  t.is(standing(reports(NO_EVIDENCE, 0, 5, { ...pingOnly, loss: 1 }), 5), 'dead')
})

test('a link that comes back is probed before it is trusted', (t) => {
  const failed = reports(reports(NO_EVIDENCE, 0, 10), 10, 12, lost)
  t.is(failed.breaks, 1)
  t.is(probingMs(failed), 2 * EVIDENCE_RULES.probeMs)
  t.is(standing(reports(failed, 12, 13), 12), 'probing')
  t.is(standing(reports(failed, 12, 22), 21), 'probing')
  t.is(standing(reports(failed, 12, 24), 23), 'serving')
})

test('a link that fell silent is probed too, without a mark against it', (t) => {
  const served = reports(NO_EVIDENCE, 0, 10)
  const back = reports(served, 100, 101)
  t.is(standing(back, 100), 'probing')
  t.is(back.breaks, 0)
  t.is(standing(reports(back, 101, 107), 106), 'serving')
})

test('one failure during probing starts it over', (t) => {
  const failed = reports(reports(NO_EVIDENCE, 0, 10), 10, 12, lost)
  const again = reports(reports(failed, 12, 20), 20, 21, lost)
  t.is(again.breaks, 2)
  t.is(standing(reports(again, 21, 31), 30), 'probing')
  t.is(standing(reports(again, 21, 43), 42), 'serving')
})

test('a link that fails every fifteen seconds is soon left alone, and forgiven when it behaves', (t) => {
  let evidence = NO_EVIDENCE
  let trusted = 0
  for (let second = 0; second < 3600; second += 1) {
    evidence = reports(evidence, second, second + 1, second % 30 < 15 ? {} : lost)
    if (second >= 120 && standing(evidence, second) === 'serving') trusted += 1
  }
  t.is(trusted, 0)
  t.true(probingMs(evidence) <= EVIDENCE_RULES.probeMs * 2 ** EVIDENCE_RULES.maxDoublings)
  const good = reports(evidence, 3600, 3600 + EVIDENCE_RULES.forgiveAfterMs / 1000 + 2)
  t.is(good.breaks, 0)
  t.is(standing(good, 3600 + EVIDENCE_RULES.forgiveAfterMs / 1000 + 2), 'serving')
})

test('a peak of the RTT is remembered for a while', (t) => {
  const swung = reports(reports(NO_EVIDENCE, 0, 15, { rttMs: 1200 }), 15, 30, { rttMs: 100 })
  t.true(heldRttMs(swung, 100, T0 + 30_000) > 900)
  const later = heldRttMs(swung, 100, T0 + 14_000 + EVIDENCE_RULES.peakHalfLifeMs)
  t.true(Math.abs(later - 650) < 1)
  t.true(heldRttMs(swung, 100, T0 + 900_000) < 102)
  t.is(heldRttMs(swung, 1300, T0 + 30_000), 1300)
})

test('reports out of order change nothing', (t) => {
  const served = reports(NO_EVIDENCE, 0, 10)
  t.is(observe(served, report(T0 + 3000, lost)), served)
})

test('measurements lose weight by age, then validity', (t) => {
  const { freshMs, invalidMs } = FRESHNESS_RULES
  t.is(freshness(null, T0), 0)
  t.is(freshness(T0 + 50, T0), 1)
  t.is(freshness(T0 - freshMs, T0), 1)
  t.is(freshness(T0 - (freshMs + invalidMs) / 2, T0), 0.5)
  t.is(freshness(T0 - invalidMs, T0), 0)
  let before = 1
  for (let age = 0; age <= 60_000; age += 500) {
    const now = freshness(T0 - age, T0)
    t.true(now <= before)
    before = now
  }
})

test('whatever is reported, a link serves only after proofs and never while its newest verdict is a failure', (t) => {
  const random = new Seeded(3)
  for (let round = 0; round < 300; round += 1) {
    let evidence = NO_EVIDENCE
    let lastProof: number | null = null
    let failed = false
    for (let at = T0; at < T0 + 120_000; at += random.int(200, 9000)) {
      const kind = random.pick(['proof', 'proof', 'loss', 'ping', 'idle'] as const)
      const more = { proof: {}, loss: lost, ping: pingOnly, idle: { sentPackets: 0, deliveredPackets: 0 } }[
        kind
      ]
      evidence = observe(evidence, report(at, { ...more, rttMs: random.int(1, 1500) }))
      if (kind === 'proof') [lastProof, failed] = [at, false]
      if (kind === 'loss') failed = true
      const now = at + random.int(0, 20_000)
      if (standingOf(evidence, now) === 'serving') {
        t.false(failed)
        t.true(lastProof !== null && now - lastProof <= EVIDENCE_RULES.silentAfterMs)
      }
      t.true(describeStanding(evidence, now).length > 0)
    }
  }
})
