import { ID_PATTERN } from '../../../common/wire/ids.ts'
import type { NodeConfig } from '../../../common/wire/node-config.ts'
import type { InterfaceKind } from './interface-kind.ts'
import { fitsWildcard } from './wildcard.ts'

/** What is asked of an interface to know which uplink it is. */
export interface UplinkCandidate {
  readonly name: string
  readonly kind: InterfaceKind
  /** Path below /sys/devices. */
  readonly path: string | null
  readonly usbPort: string | null
  /** It has, or had since it was plugged in, an address and a way out. */
  readonly reachesOut: boolean
}

/**
 * The link id of each interface, in the order of the candidates; null for what is no uplink. Pure.
 *
 * An interface that the configuration lists has the id that stands there. Others are uplinks once they reach out, unless
 * the configuration excludes them. An id is the interface's name, or what is plugged in where (`usb-1-1.2`): the kernel
 * numbers plugged modems in the order in which they wake up.
 */
export function linkIdsOf(
  candidates: readonly UplinkCandidate[],
  config: Pick<NodeConfig, 'uplinks' | 'not_uplinks'>,
): readonly (string | null)[] {
  const taken = new Set<string>()
  const take = (id: string): string | null => {
    if (taken.has(id)) return null
    taken.add(id)
    return id
  }
  const listed = candidates.map((candidate) => {
    const uplink = config.uplinks.find((one) => isNamed(candidate, one.interface))
    if (!uplink) return undefined
    return uplink.enabled ? take(uplink.link_id) : null
  })
  return candidates.map((candidate, at) => {
    const known = listed[at]
    if (known !== undefined) return known
    const excluded = config.not_uplinks.some((pattern) => fitsWildcard(candidate.name, pattern))
    if (excluded || !candidate.reachesOut || !['wired', 'wifi', 'cellular'].includes(candidate.kind))
      return null
    const ids = idsOf(candidate)
    return ids.map(take).find((id) => id !== null) ?? null
  })
}

/** By its name, or by its path with `*` for anything. */
function isNamed({ name, path }: UplinkCandidate, wanted: string): boolean {
  if (!wanted.startsWith('/')) return name === wanted
  if (path === null) return false
  return fitsWildcard(path, wanted) || fitsWildcard(`${path}/net/${name}`, wanted)
}

/** Of the best first: a device on the USB may have several interfaces. */
function idsOf({ name, usbPort, path }: UplinkCandidate): readonly string[] {
  const part = path?.split(':').at(-1) ?? ''
  const ids = usbPort === null ? [name] : [`usb-${usbPort}`, `usb-${usbPort}-${part}`, name]
  return ids.map((id) => id.replaceAll(/[^A-Za-z0-9._-]/g, '-')).filter((id) => ID_PATTERN.test(id))
}
