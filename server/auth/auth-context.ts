import type { Logger } from '../../common/logger.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Store } from '../store/store.ts'

/** What the parts of this room share. */
export interface AuthContext {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly sealer: Sealer
  /** How often to look for changes by other hubs on the same database, ms; see Mirror. */
  readonly refreshMs?: number | undefined
  /** Unix milliseconds. */
  readonly now: () => number
  readonly logger: Logger
}
