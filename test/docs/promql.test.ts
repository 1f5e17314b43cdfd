import test from 'ava'
import { metricUses } from './promql.ts'

test('metrics, and the labels they are matched and grouped by', (t) => {
  t.deepEqual(metricUses('up{job="lanecast"} == 0'), [
    { metric: 'up', labels: ['job'], values: [{ label: 'job', value: 'lanecast' }] },
  ])
  t.deepEqual(
    metricUses(
      'histogram_quantile(0.95, sum by (le, class) (rate(a_bucket{class=~"$class",x!="}"}[5m]))) > 0.2',
    ),
    [
      {
        metric: 'a_bucket',
        labels: ['class', 'x', 'le', 'class'],
        values: [
          { label: 'class', value: '$class' },
          { label: 'x', value: '}' },
        ],
      },
    ],
  )
  t.deepEqual(
    metricUses('sum(a[1h]) / sum(b) > 1e3 and on (x) c{y="d"} or vector(0)').map(({ metric, labels }) => [
      metric,
      labels,
    ]),
    [
      ['a', ['x']],
      ['b', ['x']],
      ['c', ['y', 'x']],
    ],
  )
})
