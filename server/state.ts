import { basename, dirname, join, resolve } from 'node:path'
import type { Logger } from '../common/logger.ts'
import { AuditArchiver } from './audit/audit-archiver.ts'
import type { AuditKey } from './audit/audit-chain.ts'
import type { Config } from './config/config.ts'
import { holdFolder } from './store/folder-lock.ts'
import {
  ephemeralKeyring,
  type Keyring,
  keyFileBeside,
  keyringFromText,
  openKeyring,
} from './store/keyring.ts'
import { openStore, type StoreConfig } from './store/open-store.ts'
import { Sealer } from './store/sealing.ts'
import type { Store } from './store/store.ts'

/** The hub's memory, and the keys that seal its secrets. */
export interface State extends AsyncDisposable {
  readonly store: Store
  readonly sealer: Sealer
  /** Seals the audit trail. */
  readonly auditKey: AuditKey
  /** The folder for the first admin token; null where nothing is written to disk. */
  readonly dataFolder: string | null
}

type StateConfig = Pick<Config, 'amnesia' | 'dataDir' | 'databaseUrl' | 'keysFile' | 'hubId'>

/**
 * Opens the store that the configuration names: memory (AMNESIA), PostgreSQL, or SQLite.
 * @param as `beside`: beside a running hub, without taking the hub's id. On SQLite nothing can run beside a hub.
 * @throws CodedError `database_unusable`, `database_too_new`, `bad_keys`, `data_folder_in_use`, `hub_id_taken`
 */
export async function openState(
  config: StateConfig,
  env: NodeJS.ProcessEnv,
  logger: Logger,
  as: 'hub' | 'beside' = 'hub',
): Promise<State> {
  const keyring = keyringFor(config, env)
  await using stack = new AsyncDisposableStack()
  const where = storeConfig(config)
  if (where.kind === 'sqlite') stack.use(holdFolder(where.folder))
  const store = stack.use(await openStore(where, { logger, auditKey: keyring.auditKey }))
  if (where.kind === 'postgres' && as === 'hub') {
    const { holdHubId } = await import('./store/hub-id-lock.ts')
    stack.use(await holdHubId(where.url, config.hubId, logger))
  }
  const owned = stack.move()
  return {
    store,
    sealer: new Sealer(keyring),
    auditKey: keyring.auditKey,
    dataFolder: config.amnesia ? null : config.dataDir,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Folder of the audit trail's archive files. */
export function archiveFolderOf({
  dataDir,
  auditArchiveDir,
}: Pick<Config, 'dataDir' | 'auditArchiveDir'>): string {
  const folder = resolve(dataDir)
  return auditArchiveDir === '' ? join(dirname(folder), `${basename(folder)}.audit`) : auditArchiveDir
}

/** Folder of the files of the agent's releases, beside the data folder: it is no part of a back-up. */
export function releaseFolderOf(dataFolder: string): string {
  return `${resolve(dataFolder)}.releases`
}

/** Moves old records of the audit trail into archive files, if the configuration says so. */
export function openArchiver(
  config: Config,
  { store, auditKey }: State,
  logger: Logger,
  failed: (error: unknown) => void,
): AuditArchiver | null {
  if (config.auditKeepDays === 0 || config.amnesia) return null
  return new AuditArchiver({
    store,
    auditKey,
    logger,
    failed,
    hubId: config.hubId,
    now: Date.now,
    folder: archiveFolderOf(config),
    keepDays: config.auditKeepDays,
  })
}

/** The database that a configuration means. */
export function storeConfig({ amnesia, databaseUrl, dataDir }: StateConfig): StoreConfig {
  if (amnesia) return { kind: 'memory' }
  if (databaseUrl !== '') return { kind: 'postgres', url: databaseUrl }
  return { kind: 'sqlite', folder: dataDir }
}

function keyringFor(config: StateConfig, env: NodeJS.ProcessEnv): Keyring {
  const given = givenKeys(env)
  if (given) return given
  return config.amnesia ? ephemeralKeyring() : openKeyring(keyFileOf(config))
}

/** The master keys in the environment, which beat any file. @throws CodedError `bad_keys` */
export function givenKeys(env: NodeJS.ProcessEnv): Keyring | undefined {
  const given = env['SEALING_KEYS']
  return given === undefined || given === '' ? undefined : keyringFromText('SEALING_KEYS', given)
}

/** The file of master keys that a configuration means. */
export function keyFileOf({ dataDir, keysFile }: Pick<StateConfig, 'dataDir' | 'keysFile'>): string {
  return keysFile === '' ? keyFileBeside(dataDir) : keysFile
}
