import { isDeepStrictEqual } from 'node:util'
import type { NodeConfig } from '../../common/wire/node-config.ts'
import { fitsWildcard } from '../hardware/network/wildcard.ts'
import type { CheckedBroadcast, DeviceFacts } from './device-facts.ts'

/** Links that are not there, or a document that leaves none. */
export function uplinkProblems(
  config: NodeConfig,
  checked: readonly CheckedBroadcast[],
  { report: { interfaces } }: DeviceFacts,
): string[] {
  if (!interfaces) return []
  const disabled = new Set(config.uplinks.filter(({ enabled }) => !enabled).map(({ link_id }) => link_id))
  const known = new Set([
    ...config.uplinks.map(({ link_id }) => link_id),
    ...interfaces.flatMap(({ link_id }) => link_id ?? []),
  ])
  const problems: string[] = []
  for (const { broadcast, before, at } of checked) {
    const { links } = broadcast
    if (links?.every((link) => disabled.has(link)))
      problems.push(`${at}.links: every one of them is disabled in uplinks`)
    if (!links || isDeepStrictEqual(links, before?.links)) continue
    const missing = links.filter((link) => !known.has(link))
    if (missing.length > 0)
      problems.push(
        `${at}.links: there is no ${missing.join(', ')}; there are: ${[...known].join(', ') || 'none'}`,
      )
  }
  if (checked.length > 0 && leavesNone(config, disabled, interfaces))
    problems.push('uplinks: the document leaves no uplink to send over')
  return problems
}

/** Whether there is an uplink now, and none by the document. */
function leavesNone(
  { uplinks, not_uplinks }: NodeConfig,
  disabled: ReadonlySet<string>,
  interfaces: NonNullable<DeviceFacts['report']['interfaces']>,
): boolean {
  const listed = new Set(uplinks.filter(({ enabled }) => enabled).map((uplink) => uplink.interface))
  const now = interfaces.filter(({ link_id }) => link_id !== null)
  const left = interfaces.some(
    ({ name, link_id }) =>
      listed.has(name) ||
      (link_id !== null &&
        !disabled.has(link_id) &&
        !not_uplinks.some((pattern) => fitsWildcard(name, pattern))),
  )
  // One that is listed by its path may be any of them.
  return now.length > 0 && !left && ![...listed].some((name) => name.includes('/') || name.includes('*'))
}
