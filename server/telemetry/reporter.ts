import { CodedError } from '../../common/errors.ts'
import type { Principal } from '../../common/wire/decision.ts'
import type { TelemetryReport } from '../../common/wire/telemetry.ts'
import type { Reporter } from './intake.ts'

/**
 * Whose reports are accepted: a node's about itself alone; for any node of the tenant from callers who may publish or
 * run the tenant; from everybody else about the streams that they watch.
 * @param tenantId the tenant of the request; null for nodes that the hub shares
 */
export function reporterOf(principal: Principal, tenantId: string | null): Reporter {
  const { id, role, node_id: nodeId } = principal
  if (nodeId !== null) return { tenantId, key: `node:${nodeId}`, kind: 'node', nodeId }
  const runs = role === 'admin' || role === 'operator' || role === 'publisher'
  return { tenantId, key: `${role}:${id}`, kind: runs ? 'publisher' : 'viewer', nodeId: null }
}

/** @throws CodedError `not_your_node` (403), `stream_missing` (400); nothing of the batch is taken then */
export function checkReports(reporter: Reporter, reports: readonly TelemetryReport[]): void {
  for (const [index, report] of reports.entries()) {
    const where = `report ${index}`
    if (reporter.kind === 'node' && report.node_id !== reporter.nodeId) {
      throw new CodedError('not_your_node', 'a node reports for itself only', {
        details: [`${where}: node_id "${report.node_id}" is not you`],
      })
    }
    if (reporter.kind === 'viewer' && (report.link_id !== undefined || report.to !== undefined)) {
      throw new CodedError('not_your_node', 'links are reported by their nodes', {
        details: [`${where}: leave out link_id and to`],
      })
    }
    const aboutStream = reporter.kind === 'viewer' || report.glass_to_glass_ms !== undefined
    if (aboutStream && report.stream_id === undefined) {
      throw new CodedError('stream_missing', 'a report about what a viewer saw names its stream', {
        details: [`${where}: stream_id is missing`],
      })
    }
  }
}
