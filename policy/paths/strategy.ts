import type { PathStrategy } from '../../common/wire/policy-document.ts'
import type { NodeFacts } from './graph.ts'
import type { LinkView } from './link-view.ts'

/**
 * How paths are compared: the lower cost is better. Costs are never negative, and a path's cost never falls as the path
 * gets longer, so a search may stop at what it has found.
 */
export interface CostStrategy {
  readonly name: PathStrategy
  /** `sum` adds the costs along a path, `max` takes the highest cost. */
  readonly combine: 'sum' | 'max'
  /** A difference of two paths' costs below this means nothing. */
  readonly noise: number
  linkCost(link: LinkView): number
  /** Cost of passing on at this node. */
  nodeCost(node: NodeFacts): number
}
