import type { Logger } from '../../common/logger.ts'
import type { AuditKey } from '../audit/audit-chain.ts'
import { openMemoryStore, openSqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

/** Where the hub keeps its state. */
export type StoreConfig =
  /** AMNESIA: keeps nothing. */
  | { readonly kind: 'memory' }
  /** SQLite in the hub's own folder. */
  | { readonly kind: 'sqlite'; readonly folder: string }
  /** A connection string, with its password: never log it. */
  | { readonly kind: 'postgres'; readonly url: string }

export interface StoreOptions {
  /** Seals the audit trail; see Keyring. All hubs on one database use the same key. */
  readonly auditKey?: AuditKey | undefined
  readonly logger: Logger
}

/** @throws CodedError `database_unusable`, `database_too_new`, in words for the person who starts the hub */
export async function openStore(config: StoreConfig, options: StoreOptions): Promise<Store> {
  switch (config.kind) {
    case 'memory':
      return openMemoryStore(options)
    case 'sqlite':
      return openSqliteStore(config.folder, options)
    case 'postgres': {
      // Most hubs have no PostgreSQL, and start faster without its driver.
      const { openPostgresStore } = await import('./postgres-store.ts')
      return openPostgresStore(config.url, options)
    }
  }
}
