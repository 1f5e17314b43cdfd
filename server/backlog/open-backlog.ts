import { basename, dirname, join, resolve } from 'node:path'
import type { Logger } from '../../common/logger.ts'
import type { Config } from '../config/config.ts'
import type { Metrics } from '../metrics.ts'
import { BacklogStore } from './backlog-store.ts'

/** Opens what senders deliver later, as the configuration says. A hub that keeps its state in memory keeps none. */
export function openBacklog(
  { amnesia, dataDir, backlogDir, backlogMbPerTenant, backlogMbPerStream }: Config,
  metrics: Metrics,
  logger: Logger,
): Promise<BacklogStore> {
  const data = resolve(dataDir)
  const beside = join(dirname(data), `${basename(data)}.backlog`)
  return BacklogStore.open({
    folder: amnesia ? null : backlogDir === '' ? beside : backlogDir,
    mbOfTenant: backlogMbPerTenant,
    mbOfStream: backlogMbPerStream,
    gaveWay: (tenant_id, { stream: stream_id, from, to }) => {
      metrics.backlogGaveWay.inc()
      logger.warn({ tenant_id, stream_id, from, to }, 'a segment of the backlog gave way to newer ones')
    },
  })
}
