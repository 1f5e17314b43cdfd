import type { Binding, Endpoint } from '../../common/wire/flow-contract.ts'

/**
 * Most links that have an endpoint before they are used: a reroute then moves a running flow to them. A bond of more links
 * has an endpoint for each.
 */
export const READY_LINKS = 4

/** The links that a new contract has endpoints for: those of the bond first. */
export function readyLinks(bindings: readonly Binding[], spare: readonly string[]): string[] {
  const bound = bindings.map(({ link_id }) => link_id)
  return [...bound, ...spare.slice(0, Math.max(0, READY_LINKS - bound.length))]
}

/**
 * The endpoints of a running contract under new bindings. Addresses and ports stay; a bound link without an endpoint takes
 * over that of a link that is not used, rather of one that was not used before either.
 */
export function endpointsUnder(
  endpoints: readonly Endpoint[],
  before: readonly Binding[],
  bindings: readonly Binding[],
): Endpoint[] {
  const next = [...endpoints]
  const isBound = (links: readonly Binding[], link: string | undefined) =>
    links.some(({ link_id }) => link_id === link)
  for (const { link_id } of bindings) {
    if (next.some(({ link }) => link === link_id)) continue
    const free = next.flatMap(({ link }, index) => (isBound(bindings, link) ? [] : [index]))
    const index = free.find((each) => !isBound(before, next[each]?.link)) ?? free[0]
    const endpoint = index === undefined ? undefined : next[index]
    if (index !== undefined && endpoint) next[index] = { ...endpoint, link: link_id }
  }
  return next
}
