import type { NodeConfig } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'

/**
 * What a document asks of the device that the device can't do: a line for each, with what would be right. What is not
 * known yet is not held against a document. What the document before asked for already is not refused for being away now:
 * a camera that was pulled comes back.
 */
export function deviceProblems(config: NodeConfig, device: NodeReport, before: NodeConfig): string[] {
  return [...linkProblems(config, device, before)]
}

function linkProblems(config: NodeConfig, device: NodeReport, before: NodeConfig): string[] {
  const { interfaces } = device
  if (!interfaces) return []
  const known = new Set([
    ...interfaces.flatMap(({ link_id }) => link_id ?? []),
    ...config.uplinks.map(({ link_id }) => link_id),
    ...before.broadcasts.flatMap(({ links }) => links ?? []),
  ])
  return config.broadcasts.flatMap(({ links = [] }, at) =>
    links
      .filter((link) => !known.has(link))
      .map(
        (link) =>
          `broadcasts.${at}.links: there is no uplink ${link}; there are: ${[...known].join(', ') || 'none'}`,
      ),
  )
}
