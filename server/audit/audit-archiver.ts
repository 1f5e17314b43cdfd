import { setImmediate as turn } from 'node:timers/promises'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { HUB_TENANT_ID, type Store } from '../store/store.ts'
import { type ArchiveFile, readArchive, writeArchive } from './archive-file.ts'
import type { AuditKey } from './audit-chain.ts'
import { ARCHIVE_ACTION, type AuditRow } from './audit-record.ts'
import { type ChainPlace, follow } from './chain-link.ts'

const DAY_MS = 86_400_000
const EVERY_MS = 3_600_000
/** Delay of the first run, so that it does not disturb the start of the hub. */
const FIRST_AFTER_MS = 60_000
/** Records of one file, which one transaction deletes. */
const PER_FILE = 10_000
/** Records that are hashed at a time: a millisecond or two of the event loop. */
const PAGE = 100

export interface AuditArchiverOptions {
  readonly store: Pick<Store, 'auditRows' | 'auditStart' | 'cutAudit'>
  readonly auditKey: AuditKey | undefined
  readonly folder: string
  /** How long records stay in the database. */
  readonly keepDays: number
  readonly hubId: string
  /** Unix ms. */
  readonly now: () => number
  readonly logger: Logger
  readonly failed: (error: unknown) => void
  readonly perFile?: number
}

/**
 * Moves old records of the audit trail into archive files. A record is deleted only after its file is on the disk, was
 * read again from there and fits the chain. A further record says which file that was, and where the chain goes on.
 */
export class AuditArchiver implements AsyncDisposable {
  readonly #options: AuditArchiverOptions
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: AuditArchiverOptions) {
    this.#options = options
    const run = () => void this.run().catch(options.failed)
    this.#timers = [setTimeout(run, FIRST_AFTER_MS).unref(), setInterval(run, EVERY_MS).unref()]
  }

  /** Archives records that are old enough, one file at a time. @throws CodedError `audit_broken`, and see Store */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#closing.abort()
    await this.#running?.catch(() => {})
  }

  async #run(): Promise<void> {
    const { store, folder, hubId, now, logger } = this.#options
    const before = now() - this.#options.keepDays * DAY_MS
    while (!this.#closing.signal.aborted) {
      const start = await store.auditStart()
      let end: ChainPlace = start
      const file = await writeArchive(
        folder,
        this.#oldRows(start, before, (place) => {
          end = place
        }),
      )
      if (!file) return
      const written = await this.#walk(start, readArchive(file))
      if (written.seq !== end.seq || written.hash !== end.hash)
        throw broken(file, 'it is not what was written')
      const detail = { hub: hubId, file: file.path, first_seq: file.first, last_seq: end.seq, hash: end.hash }
      try {
        await store.cutAudit(
          { from: start.seq, ...end },
          {
            tenant_id: HUB_TENANT_ID,
            at: now(),
            actor: 'hub',
            action: ARCHIVE_ACTION,
            object: `records:${file.first}-${file.last}`,
            outcome: 'done',
            detail,
          },
        )
      } catch (error) {
        // Another hub of this database was faster. Its archive holds the same records.
        if (error instanceof CodedError && error.code === 'version_conflict') return
        throw error
      }
      logger.info(
        { file: file.path, records: end.seq - start.seq },
        'old records of the audit trail are archived',
      )
    }
  }

  /** Records from the chain's start that are old enough, for one file at most. `at` gets the last record's place. */
  async *#oldRows(
    start: ChainPlace,
    before: number,
    at: (place: ChainPlace) => void,
  ): AsyncGenerator<readonly AuditRow[]> {
    const { store, perFile = PER_FILE } = this.#options
    for (let place = start; place.seq - start.seq < perFile; ) {
      const rows = await store.auditRows(place.seq, Math.min(PAGE, perFile - (place.seq - start.seq)))
      const young = rows.findIndex((row) => row.at >= before)
      const old = young < 0 ? rows : rows.slice(0, young)
      for (const row of old) place = this.#follow(place, row)
      at(place)
      if (old.length > 0) yield old
      if (rows.length === 0 || young >= 0 || this.#closing.signal.aborted) return
      await turn()
    }
  }

  async #walk(start: ChainPlace, rows: AsyncIterable<AuditRow>): Promise<ChainPlace> {
    let place = start
    let read = 0
    for await (const row of rows) {
      place = this.#follow(place, row)
      read += 1
      if (read % PAGE === 0) await turn()
    }
    return place
  }

  #follow(place: ChainPlace, row: AuditRow): ChainPlace {
    const next = follow(place, row, this.#options.auditKey?.key)
    if ('problem' in next)
      throw new CodedError(
        'audit_broken',
        `the audit trail is broken at record ${next.seq}: ${next.problem}`,
        {
          details: ['nothing is archived until the cause is known: see npm run audit:verify'],
        },
      )
    return next
  }
}

function broken({ path }: ArchiveFile, what: string): CodedError {
  return new CodedError('archive_damaged', `the archive ${path} is not used: ${what}`)
}
