import test from 'ava'
import {
  MAX_TELEMETRY_BATCH,
  TELEMETRY_RANGES,
  telemetryBodySchema,
  telemetryReportSchema,
} from '../../../common/wire/telemetry.ts'
import { T0 } from '../topology/world.ts'

const report = {
  node_id: 'sender-1',
  rtt_ms: 31.5,
  jitter_ms: 2,
  loss: 0.001,
  bitrate_kbps: 3100,
  queue_depth: 3,
  at: T0,
}
const takes = (body: unknown) => telemetryBodySchema.safeParse(body).success

test('one report, or a batch', (t) => {
  t.true(takes(report))
  t.true(takes({ ...report, link_id: 'lte-1', stream_id: 'cam-1', to: 'edge-1' }))
  t.true(takes({ ...report, packets_sent: 300, packets_delivered: 0, probe: true, glass_to_glass_ms: 98.5 }))
  t.true(takes([report]))
  t.true(takes(Array.from({ length: MAX_TELEMETRY_BATCH }, () => report)))
  t.false(takes(Array.from({ length: MAX_TELEMETRY_BATCH + 1 }, () => report)))
  t.false(takes([]))
  for (const wrong of [null, 1, 'x', {}, [null], [[report]], { reports: [report] }]) t.false(takes(wrong))
})

test('every number has its range, and nothing else is a number', (t) => {
  const fields = ['rtt_ms', 'jitter_ms', 'loss', 'bitrate_kbps', 'queue_depth', 'at'] as const
  for (const field of fields) {
    const { min, max } = TELEMETRY_RANGES[field]
    t.true(takes({ ...report, [field]: min }), field)
    t.true(takes({ ...report, [field]: max }), field)
    for (const wrong of [
      min - 1,
      max + 1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '1',
      null,
      undefined,
      true,
      [1],
    ])
      t.false(takes({ ...report, [field]: wrong }), `${field}: ${wrong}`)
  }
  for (const field of ['queue_depth', 'at', 'packets_sent', 'packets_delivered'])
    t.false(takes({ ...report, [field]: 1.5 }), field)
})

test('unknown fields, prototype keys and paths in ids are refused', (t) => {
  t.false(takes({ ...report, more: 1 }))
  t.false(takes([report, { ...report, more: 1 }]))
  t.false(takes(JSON.parse(`${JSON.stringify(report).slice(0, -1)},"__proto__":{"x":1}}`)))
  t.false(takes(JSON.parse(`${JSON.stringify(report).slice(0, -1)},"constructor":1}`)))
  for (const id of ['', '..', '../x', 'a/b', 'a b', '-a', 'ä', 'x'.repeat(65), 'a\n']) {
    t.false(takes({ ...report, node_id: id }), id)
    t.false(takes({ ...report, link_id: id }), id)
    t.false(takes({ ...report, to: id }), id)
  }
})

test('exactly the sent bytes are read', (t) => {
  t.deepEqual(telemetryReportSchema.parse(report), report)
})
