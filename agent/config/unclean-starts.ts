import { readFile, rm } from 'node:fs/promises'
import { uptime } from 'node:os'
import { z } from 'zod'
import { WholeFile } from '../whole-file.ts'

/** So many starts within this time, none of which was ended by an order, are no accident, s. */
const MANY = 6
const WITHIN_S = 120
/** Then the document waits, so that the hub can say something better before the agent ends once more, ms. */
const PAUSE_MS = 30_000

const startsSchema = z.strictObject({ boot_id: z.string(), at_s: z.array(z.number()).max(MANY) })

/** When this is: a time that nobody can set, and that a power cut begins anew. */
export interface BootTime {
  readonly bootId: string
  /** Since the machine started, s. */
  readonly uptimeS: number
}

/**
 * Counts starts of the agent that ended by no order since the machine started. A document that ends the agent each time
 * must not keep it from its hub for ever; a power cut says nothing about the document.
 */
export class UncleanStarts implements AsyncDisposable {
  /** How long to wait before the saved document is taken up, ms. */
  readonly pauseMs: number
  readonly #file: string

  private constructor(file: string, pauseMs: number) {
    this.#file = file
    this.pauseMs = pauseMs
  }

  /** Notes this start. @throws never: without a disk that can be written there is nothing to note */
  static async open(file: string, time?: BootTime): Promise<UncleanStarts> {
    const { bootId, uptimeS } = time ?? (await bootTime())
    const before = await startsIn(file)
    const recent = before?.boot_id === bootId ? before.at_s.filter((at) => uptimeS - at < WITHIN_S) : []
    const starts = { boot_id: bootId, at_s: [...recent, uptimeS].slice(-MANY) }
    await write(file, JSON.stringify(starts)).catch(() => {})
    return new UncleanStarts(file, starts.at_s.length >= MANY ? PAUSE_MS : 0)
  }

  /** The agent ends by an order. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {})
  }
}

async function startsIn(file: string): Promise<z.infer<typeof startsSchema> | null> {
  try {
    return startsSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return null
  }
}

async function write(file: string, text: string): Promise<void> {
  await using whole = await WholeFile.write(file, text)
  await whole.putInPlace()
}

async function bootTime(): Promise<BootTime> {
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return { bootId: bootId.trim(), uptimeS: uptime() }
}
