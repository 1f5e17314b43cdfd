import type { Migration } from './migration.ts'

/** A hub with its own id used to keep its knowledge of nodes under a kind of its own, where no delete found it. */
const PREFIX = 'node-state.'
/** A kind was cut to this length. A cut kind may be that of two hubs, and so belongs to neither. */
const CUT = 64

const statements = [
  `DELETE FROM lanecast_document WHERE substr(kind, 1, ${PREFIX.length}) = '${PREFIX}' AND length(kind) >= ${CUT}`,
  `UPDATE lanecast_document SET id = id || '/' || substr(kind, ${PREFIX.length + 1}), kind = 'node-state'
    WHERE substr(kind, 1, ${PREFIX.length}) = '${PREFIX}'`,
]

export const nodeStateOfHubs: Migration = {
  version: 2,
  name: 'node state of hubs',
  statements: { sqlite: statements, postgres: statements },
}
