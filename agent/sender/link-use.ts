import type { FlowContract } from '../../common/wire/flow-contract.ts'

/** The weight of a link that carries a copy of every packet. */
export const COPIES = 0
/** librist schedules shares well near 100. */
export const EQUAL_SHARE = 100
/** Endpoints without a link that are used: the others wait for links that come later. */
const UNKNOWN_PATHS = 2

/**
 * The endpoints that a contract uses now, by their indices, with the weights of their links: 0 for copies of all packets.
 * Pure.
 * @param allowed the links that may be used; null for all. Where none of them has an endpoint, all may.
 */
export function useOf(
  {
    class: streamClass,
    endpoints,
    overlay: { bindings },
  }: Pick<FlowContract, 'class' | 'endpoints' | 'overlay'>,
  allowed: readonly string[] | null = null,
): Map<number, number> {
  const weights = new Map(bindings.map(({ link_id, weight }) => [link_id, weight]))
  // A hub that does not know the sender's links binds none: the class's default use then applies to all links.
  const duplicates =
    bindings.length === 0 ? streamClass === 'focus' : bindings.every(({ weight }) => weight === 0)
  const may = endpoints.map(({ link }) => link === undefined || (allowed?.includes(link) ?? true))
  const all = may.some(Boolean) ? may : may.map(() => true)
  const use = new Map<number, number>()
  let unnamed = 0
  for (const [index, { link }] of endpoints.entries()) {
    if (!all[index] || (bindings.length > 0 && !weights.has(link ?? ''))) continue
    if (link === undefined) {
      unnamed += 1
      if (unnamed > UNKNOWN_PATHS) continue
    }
    use.set(index, duplicates ? COPIES : weights.get(link ?? '') || EQUAL_SHARE)
  }
  // A sender without an endpoint for what is bound sends all the same.
  if (use.size === 0) for (const index of endpoints.keys()) if (all[index]) use.set(index, EQUAL_SHARE)
  // One link carries everything, and librist's shares would leave out a packet now and then.
  return use.size === 1 ? new Map([...use.keys()].map((index) => [index, COPIES])) : use
}

/**
 * How many times the media of the busiest path the media of the flow is: 1 where any path carries all packets. Pure.
 * @param use the weights of the links, by their indices
 * @param carries whether anything gets through on a link; where nothing does on any, all count
 */
export function pathsAtOnce(use: ReadonlyMap<number, number>, carries: (index: number) => boolean): number {
  const carrying = [...use].filter(([index]) => carries(index))
  const weights = (carrying.length > 0 ? carrying : [...use]).map(([, weight]) => weight)
  if (weights.length === 0 || weights.includes(COPIES)) return 1
  return weights.reduce((sum, weight) => sum + weight, 0) / Math.max(...weights)
}
