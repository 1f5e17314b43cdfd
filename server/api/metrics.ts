import type { Metrics } from '../metrics.ts'
import { defineRoute, Reply } from './route.ts'

/** Prometheus for clients who can't reach `METRICS_ADDR`: for the hub's admin alone, as it shows every tenant. */
export const metricsRoute = ({ registry }: Metrics) =>
  defineRoute({
    method: 'get',
    path: '/metrics',
    summary: 'Read the metrics',
    description: 'Prometheus text. The same stands without a token at METRICS_ADDR, which is for loopback.',
    action: 'metrics.read',
    role: 'admin',
    cost: 'write',
    answer: { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' },
    handle: async () => new Reply(await registry.metrics(), {}),
  })
