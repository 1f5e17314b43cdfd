import type { Logger } from '../common/logger.ts'
import { type Auth, openAuth } from './auth/open-auth.ts'
import type { Config } from './config/config.ts'
import { PolicyBook } from './policies/policy-book.ts'
import { ReleaseBook } from './releases/release-book.ts'
import { ReleaseFiles } from './releases/release-files.ts'
import { SlatePictures } from './slates/slate-pictures.ts'
import { releaseFolderOf, type State } from './state.ts'
import { TenantBook } from './tenants/tenant-book.ts'
import { Webhooks } from './webhooks/webhooks.ts'

/** The rooms that need nothing but the hub's memory. */
export interface StateRooms {
  readonly auth: Auth
  readonly policies: PolicyBook
  readonly tenants: TenantBook
  readonly webhooks: Webhooks
  readonly slates: SlatePictures
  readonly releases: ReleaseBook
  readonly releaseFiles: ReleaseFiles
  /** With several hubs on one database: how often to look for changes by the other hubs, ms. */
  readonly refreshMs: number | undefined
}

/** Opens the rooms that need nothing but the hub's memory. `stack` closes them. */
export async function openStateRooms(
  config: Pick<Config, 'databaseUrl' | 'hubId' | 'webhookNetworks'>,
  { store, sealer, dataFolder }: State,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<StateRooms> {
  const refreshMs = config.databaseUrl === '' ? undefined : 1000
  const auth = stack.use(await openAuth({ store, sealer, dataFolder, refreshMs, logger }))
  const [policies, tenants] = await Promise.all([
    PolicyBook.open({ store, refreshMs, now: Date.now, logger }).then((opened) => stack.use(opened)),
    TenantBook.open({ store, refreshMs, now: Date.now, logger }).then((opened) => stack.use(opened)),
  ])
  const webhooks = stack.use(
    await Webhooks.open({
      store,
      sealer,
      refreshMs,
      logger,
      now: Date.now,
      hubId: config.hubId,
      // The listening address says nothing about the callers: behind a proxy the hub listens on loopback for everybody.
      allowedNetworks: config.webhookNetworks,
    }),
  )
  const slates = new SlatePictures({ store, now: Date.now })
  const releaseFiles = new ReleaseFiles(dataFolder === null ? null : releaseFolderOf(dataFolder))
  const releases = stack.use(
    await ReleaseBook.open({ store, files: releaseFiles, refreshMs, now: Date.now, logger }),
  )
  return { auth, policies, tenants, webhooks, slates, releases, releaseFiles, refreshMs }
}
