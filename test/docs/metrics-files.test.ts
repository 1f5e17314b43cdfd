import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { z } from 'zod'
import { ALARM_KINDS } from '../../common/wire/alarm.ts'
import { NODE_ROLES } from '../../common/wire/ids.ts'
import { STREAM_CLASSES } from '../../common/wire/stream.ts'
import { LINK_STANDINGS } from '../../common/wire/topology.ts'
import { Metrics } from '../../server/metrics.ts'
import { startHub } from '../support/hub.ts'
import { type MetricUse, metricUses } from './promql.ts'

const text = (name: string) => readFileSync(resolve(import.meta.dirname, '../../docs', name), 'utf8')

const dashboard = z
  .looseObject({
    panels: z.array(
      z.looseObject({ targets: z.array(z.looseObject({ expr: z.string() })).optional(), title: z.string() }),
    ),
    templating: z.looseObject({ list: z.array(z.looseObject({ type: z.string(), query: z.string() })) }),
    annotations: z.looseObject({ list: z.array(z.looseObject({ expr: z.string() })) }),
  })
  .parse(JSON.parse(text('grafana-dashboard.json')))

const rules = z
  .strictObject({
    groups: z.array(
      z.strictObject({
        name: z.string(),
        rules: z.array(
          z.strictObject({
            alert: z.string(),
            expr: z.string(),
            for: z.string().optional(),
            labels: z.strictObject({ severity: z.enum(['page', 'warn']) }),
            annotations: z.strictObject({ summary: z.string(), description: z.string().optional() }),
          }),
        ),
      }),
    ),
  })
  .parse(parse(text('alerts.yml')))

/** `label_values(metric, label)` of a dashboard's variable. */
function usesOfVariable(query: string): MetricUse[] {
  const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? []
  return [{ metric, labels: [label], values: [] }]
}

const uses = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricUses(expr))),
  ...dashboard.annotations.list.flatMap(({ expr }) => metricUses(expr)),
  ...dashboard.templating.list
    .filter(({ type }) => type === 'query')
    .flatMap(({ query }) => usesOfVariable(query)),
  ...rules.groups.flatMap((group) => group.rules.flatMap(({ expr }) => metricUses(expr))),
]
/** Metrics and labels that Prometheus itself adds. */
const OF_PROMETHEUS = { metrics: new Set(['up']), labels: new Set(['le', 'job', 'instance']) }

test('every metric that the dashboard and the alerts use is one that a hub really exposes', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }])
  const exposed = new Map<string, string>()
  const samples = new Map<string, Set<string>>()
  for (const line of (await (await fetch(`${hub.metricsUrl}/metrics`)).text()).split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (name !== '') exposed.set(name, type)
    const [, sample = '', labels = ''] = /^(\w+)\{(.*)\} /.exec(line) ?? []
    if (sample !== '')
      samples.set(sample, new Set([...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label)))
  }
  t.true(uses.length > 50)
  for (const { metric, labels } of uses) {
    if (OF_PROMETHEUS.metrics.has(metric)) continue
    const base = metric.replace(/_(bucket|sum|count)$/, '')
    const known = exposed.has(metric) || exposed.get(base) === 'histogram'
    t.true(known, `${metric} is no metric of the hub`)
    const seen = samples.get(metric)
    if (seen)
      for (const label of labels)
        t.true(seen.has(label) || OF_PROMETHEUS.labels.has(label), `${metric} has no label ${label}`)
  }
})

test('every label is one that its metric has', (t) => {
  const { registry } = new Metrics()
  for (const { metric, labels } of uses) {
    const found = registry.getSingleMetric(metric) ?? registry.getSingleMetric(metric.replace(/_bucket$/, ''))
    if (!found) continue
    const known = new Set<unknown>(z.looseObject({ labelNames: z.array(z.string()) }).parse(found).labelNames)
    for (const label of labels)
      t.true(known.has(label) || OF_PROMETHEUS.labels.has(label), `${metric} has no label ${label}`)
  }
})

test('every value that is asked for is one that its label can have', (t) => {
  const possible: Readonly<Record<string, readonly string[]>> = {
    'lanecast_alarms kind': ALARM_KINDS,
    'lanecast_nodes role': NODE_ROLES,
    'lanecast_nodes state': ['up', 'down'],
    'lanecast_links standing': LINK_STANDINGS,
    'lanecast_streams state': ['waiting', 'live', 'input_lost', 'refused', 'ended'],
    'lanecast_slo_burn_ratio window': ['5m', '1h'],
    'lanecast_rist_packets kind': ['received', 'recovered', 'lost'],
    'bus_queue_depth service': ['telemetry', 'qos'],
  }
  let checked = 0
  for (const { metric, values } of uses) {
    for (const { label, value } of values) {
      const allowed = label === 'class' ? STREAM_CLASSES : possible[`${metric} ${label}`]
      if (!allowed || value.includes('$')) continue
      for (const each of value.split('|')) t.true(allowed.includes(each), `${metric}{${label}="${each}"}`)
      checked += 1
    }
  }
  t.true(checked >= 10)
})

test('what the house promises to be seen is on the dashboard', (t) => {
  const shown = new Set(uses.map(({ metric }) => metric.replace(/_bucket$/, '')))
  for (const name of [
    'overlay_sessions_active',
    'bus_queue_depth',
    'service_restarts_total',
    'errors_total',
    'rejected_total',
    'lanecast_glass_to_glass_seconds',
    'lanecast_join_seconds',
    'lanecast_viewer_loss_ratio',
    'lanecast_viewer_jitter_seconds',
    'lanecast_viewer_kbps',
    'lanecast_retransmits_total',
    'lanecast_reroutes_total',
    'lanecast_slo_burn_ratio',
    'lanecast_alarms',
  ])
    t.true(shown.has(name), name)
})

test('panels do not overlap, and each alert has its own name', (t) => {
  const names = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
  t.is(new Set(names).size, names.length)
  const place = z.object({
    gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  })
  const taken = new Set<string>()
  for (const panel of dashboard.panels) {
    const { x, y, w, h } = place.parse(panel).gridPos
    t.true(x + w <= 24, panel.title)
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        t.false(taken.has(`${column} ${line}`), panel.title)
        taken.add(`${column} ${line}`)
      }
    }
  }
})
