import type { Logger } from '../../common/logger.ts'
import type { AuditKey } from '../audit/audit-chain.ts'
import { openMemoryStore, openSqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

/** Where the state is kept. */
export type StoreConfig =
  /** AMNESIA: nowhere. */
  | { readonly kind: 'memory' }
  /** SQLite in a folder of the hub's own. */
  | { readonly kind: 'sqlite'; readonly folder: string }
  /** A connection string, with its password: never log it. */
  | { readonly kind: 'postgres'; readonly url: string }

export interface StoreOptions {
  /** Seals the audit trail; see Keyring. The same for all hubs on one database. */
  readonly auditKey?: AuditKey | undefined
  readonly logger: Logger
}

/** @throws CodedError `database_unusable`, `database_too_new`, in words for whoever starts the hub */
export async function openStore(config: StoreConfig, options: StoreOptions): Promise<Store> {
  switch (config.kind) {
    case 'memory':
      return openMemoryStore(options)
    case 'sqlite':
      return openSqliteStore(config.folder, options)
    case 'postgres': {
      // Most hubs have no PostgreSQL, and are up earlier without its driver.
      const { openPostgresStore } = await import('./postgres-store.ts')
      return openPostgresStore(config.url, options)
    }
  }
}
