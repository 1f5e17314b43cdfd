import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { nextReleaseKeys, trustedRelease } from '../../common/release/release-signatures.ts'
import { compareVersions } from '../../common/release/release-version.ts'
import {
  MAX_KEY_CHANGES,
  type Release,
  type ReleaseArchitecture,
  type ReleaseFile,
  type ReleaseKeys,
  type ReleaseOffer,
  releaseKeysSchema,
  releaseSchema,
  type SignedRelease,
  type SignedReleaseKeys,
} from '../../common/wire/release.ts'
import { isInRollout, type Rollout, type RolloutNode } from '../../policy/releases/rollout.ts'
import { type Actor, actorName } from '../auth/principal.ts'
import type { Typed } from '../store/collection.ts'
import { Mirror } from '../store/mirror.ts'
import { HUB_TENANT_ID, type Store } from '../store/store.ts'
import type { ReleaseFiles } from './release-files.ts'
import {
  type KeysRecord,
  keysRecordSchema,
  NO_ROLLOUT,
  type ReleaseRecord,
  releaseRecordSchema,
} from './release-record.ts'

/** Most releases of a hub: their files may take some GB. */
const MAX_RELEASES = 32

export interface ReleaseBookOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly files: ReleaseFiles
  /** Where several hubs share the database: how often to look for changes by other hubs, ms. */
  readonly refreshMs?: number | undefined
  /** Unix ms. */
  readonly now: () => number
  readonly logger: Logger
}

/** A release as its owners see it. */
export interface ReleaseView {
  readonly release: Release
  readonly rollout: Rollout
  /** Counts its changes. */
  readonly version: number
  readonly created_at: number
  readonly created_by: string
}

/** A device that asks what there is for it. */
export interface AskingDevice extends RolloutNode {
  readonly architecture: ReleaseArchitecture
  /** The release that it runs. */
  readonly running: string
  /** Serial of the keys that it trusts; 0 for none. */
  readonly keysSerial: number
  /** The release that somebody ordered: the rollout does not matter. */
  readonly ordered?: string | undefined
}

/** Releases of the agent, who gets them, and the keys that devices believe. */
export class ReleaseBook implements AsyncDisposable {
  readonly #options: ReleaseBookOptions
  readonly #releases: Mirror<ReleaseRecord>
  readonly #keys: Mirror<KeysRecord>

  private constructor(
    options: ReleaseBookOptions,
    releases: Mirror<ReleaseRecord>,
    keys: Mirror<KeysRecord>,
  ) {
    this.#options = options
    this.#releases = releases
    this.#keys = keys
  }

  static async open(options: ReleaseBookOptions): Promise<ReleaseBook> {
    const [releases, keys] = await Promise.all([
      Mirror.open({ ...options, kind: 'release', schema: releaseRecordSchema }),
      Mirror.open({ ...options, kind: 'release-keys', schema: keysRecordSchema }),
    ])
    return new ReleaseBook(options, releases, keys)
  }

  /** The keys that devices pin when they enrol now; null where there are none yet. */
  get keys(): ReleaseKeys | null {
    return this.#keysInOrder().at(-1)?.keys ?? null
  }

  /** Calls `listener` when there may be something else for some device. Call the returned function to stop. */
  onChange(listener: () => void): () => void {
    const stops = [this.#releases.onChange(listener), this.#keys.onChange(listener)]
    return () => {
      for (const stop of stops) stop()
    }
  }

  /** @throws CodedError `release_untrusted`, `release_invalid`, and see Store.write */
  async changeKeys(signed: SignedReleaseKeys, by: Actor): Promise<ReleaseKeys> {
    const keys = nextReleaseKeys(this.keys, signed)
    if (keys.serial > MAX_KEY_CHANGES)
      throw new CodedError('release_invalid', `keys are changed at most ${MAX_KEY_CHANGES} times`)
    const record = { signed, created_at: this.#options.now(), created_by: actorName(by) }
    await this.#keys.put(HUB_TENANT_ID, `release-keys-${keys.serial}`, record, {
      expected_version: 0,
      audit: [this.#audit(by, 'release.keys', 'release-keys', { serial: keys.serial })],
    })
    return keys
  }

  /** The newest first. */
  list(): ReleaseView[] {
    const all = [...this.#releases.values()].map(viewOf)
    return all.sort((a, b) => compareVersions(b.release.version, a.release.version))
  }

  /** @throws CodedError `release_not_found` */
  async find(version: string): Promise<ReleaseView> {
    const found = await this.#releases.find(idOf(version))
    if (found) return viewOf(found)
    throw new CodedError('release_not_found', `there is no release ${version}`)
  }

  /**
   * Takes a signed release. The same one again changes nothing.
   * @throws CodedError `release_untrusted`, `release_invalid`, `release_exists`, `too_many_releases`
   */
  async add(signed: SignedRelease, by: Actor): Promise<ReleaseView> {
    const { keys } = this
    if (!keys)
      throw new CodedError(
        'release_untrusted',
        'the hub has no keys for releases: PUT /v1/release-keys first',
      )
    const { version, files } = trustedRelease(signed, keys)
    const present = this.#releases.get(idOf(version))
    if (present?.value.signed.release === signed.release) return viewOf(present)
    if (present) throw new CodedError('release_exists', `there is another release ${version}`)
    if (this.#releases.size >= MAX_RELEASES)
      throw new CodedError('too_many_releases', `a hub has at most ${MAX_RELEASES} releases`)
    const created = { created_at: this.#options.now(), created_by: actorName(by) }
    const record = { signed, rollout: NO_ROLLOUT, ...created }
    const detail = { files: files.map(({ architecture, sha256 }) => ({ architecture, sha256 })) }
    await this.#releases.put(HUB_TENANT_ID, idOf(version), record, {
      expected_version: 0,
      audit: [this.#audit(by, 'release.create', `release:${version}`, detail)],
    })
    return this.find(version)
  }

  /** Says who gets a release. @throws CodedError `release_not_found`, `version_conflict`, `release_incomplete` */
  async roll(version: string, rollout: Rollout, by: Actor, expectedVersion: number): Promise<ReleaseView> {
    const { release } = await this.find(version)
    const missing: string[] = []
    for (const file of release.files)
      if ((await this.#options.files.present(version, file)) < file.bytes) missing.push(file.architecture)
    if (missing.length > 0 && rollout.percent > 0 && !rollout.halted)
      throw new CodedError('release_incomplete', `files of ${version} are missing here`, { details: missing })
    const record = this.#releases.get(idOf(version))
    if (!record) throw new CodedError('release_not_found', `there is no release ${version}`)
    const { tenants, percent, halted } = rollout
    const next = { ...record.value, rollout: { tenants: tenants && [...tenants], percent, halted } }
    const detail = { tenants: tenants?.join(' ') ?? 'all', percent, halted }
    await this.#releases.put(HUB_TENANT_ID, idOf(version), next, {
      expected_version: expectedVersion,
      audit: [this.#audit(by, 'release.rollout', `release:${version}`, detail)],
    })
    return this.find(version)
  }

  /** Its files go, too. Devices that run it go on. @throws CodedError `release_not_found` */
  async remove(version: string, by: Actor): Promise<void> {
    await this.find(version)
    await this.#releases.delete(HUB_TENANT_ID, idOf(version), {
      audit: [this.#audit(by, 'release.delete', `release:${version}`, {})],
    })
    await this.#options.files.remove(version)
  }

  /** What there is for a device: the newest release that is meant for it and newer than what it runs, or the ordered one. */
  async offerFor(device: AskingDevice): Promise<ReleaseOffer> {
    const key_changes = this.#keysInOrder()
      .filter(({ keys }) => keys.serial > device.keysSerial)
      .map(({ signed }) => signed)
    for (const view of this.list()) {
      if (!isFor(device, view) || !(await this.#isHere(view.release, device.architecture))) continue
      const signed = this.#releases.get(idOf(view.release.version))?.value.signed
      if (signed) return { release: signed, key_changes }
    }
    return { release: null, key_changes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releases[Symbol.asyncDispose]()
    await this.#keys[Symbol.asyncDispose]()
  }

  async #isHere(release: Release, architecture: ReleaseArchitecture): Promise<boolean> {
    const file = fileFor(release, architecture)
    return file !== undefined && (await this.#options.files.present(release.version, file)) === file.bytes
  }

  #keysInOrder(): { readonly keys: ReleaseKeys; readonly signed: SignedReleaseKeys }[] {
    return [...this.#keys.values()]
      .map(({ value }) => ({
        keys: releaseKeysSchema.parse(JSON.parse(value.signed.keys)),
        signed: value.signed,
      }))
      .sort((a, b) => a.keys.serial - b.keys.serial)
  }

  #audit(by: Actor, action: string, object: string, detail: Record<string, unknown>) {
    const [at, actor] = [this.#options.now(), actorName(by)]
    return { tenant_id: HUB_TENANT_ID, at, actor, action, object, outcome: 'done' as const, detail }
  }
}

/** The file of a release for a machine. */
export function fileFor({ files }: Release, architecture: ReleaseArchitecture): ReleaseFile | undefined {
  return files.find((file) => file.architecture === architecture)
}

function isFor(device: AskingDevice, { release, rollout }: ReleaseView): boolean {
  const { version } = release
  if (device.ordered !== undefined) return version === device.ordered && !rollout.halted
  return compareVersions(version, device.running) > 0 && isInRollout(version, rollout, device)
}

/** Versions may have characters that ids may have, too. */
function idOf(version: string): string {
  return `release-${version}`
}

function viewOf({ value, version }: Typed<ReleaseRecord>): ReleaseView {
  const { signed, rollout, created_at, created_by } = value
  return {
    release: releaseSchema.parse(JSON.parse(signed.release)),
    rollout,
    version,
    created_at,
    created_by,
  }
}
