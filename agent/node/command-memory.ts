import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { z } from 'zod'
import { type DeviceCommand, type Outcome, outcomeSchema } from '../../common/wire/node-protocol.ts'

/** Commands that are remembered; the oldest are forgotten first. A hub has at most one under way. */
const MOST = 64
/** Commands that end this process: only a file can tell the next one that they were begun. */
const DURABLE: ReadonlySet<string> = new Set<DeviceCommand['do']>(['reboot', 'update'])

const entrySchema = z.object({
  command_id: z.string(),
  do: z.string(),
  /** null: begun, and nobody knows the outcome. */
  outcome: outcomeSchema.nullable(),
})
type Entry = z.output<typeof entrySchema>

/**
 * The last commands of the hub and their outcomes. A hub that did not hear the answer sends a command again, and the
 * device must not do it twice: a second reboot would cut a broadcast that is on air again.
 */
export class CommandMemory {
  readonly #file: string
  readonly #entries: Map<string, Entry>

  /** A file that is missing or damaged is an empty memory. @param file in the state folder */
  static async open(file: string): Promise<CommandMemory> {
    const text = await readFile(file, 'utf8').catch(() => '[]')
    return new CommandMemory(file, readEntries(text))
  }

  private constructor(file: string, entries: readonly Entry[]) {
    this.#file = file
    this.#entries = new Map(entries.map((entry) => [entry.command_id, entry]))
    // Whoever reads this file runs after the command: it was done, as far as this device can tell.
    for (const entry of this.#entries.values())
      entry.outcome ??= { state: 'done', detail: 'the device started anew' }
  }

  outcomeOf(commandId: string): Outcome | null {
    return this.#entries.get(commandId)?.outcome ?? null
  }

  /** Call this before the command is begun: where it ends this process, the file has the command first. */
  async begin(commandId: string, command: DeviceCommand): Promise<void> {
    this.#entries.set(commandId, { command_id: commandId, do: command.do, outcome: null })
    for (const [id] of this.#entries) {
      if (this.#entries.size <= MOST) break
      this.#entries.delete(id)
    }
    if (DURABLE.has(command.do)) await this.#save()
  }

  async end(commandId: string, outcome: Outcome): Promise<void> {
    const entry = this.#entries.get(commandId)
    if (!entry) return
    entry.outcome = outcome
    if (DURABLE.has(entry.do)) await this.#save()
  }

  /** Whole or not at all: a power cut leaves the file before. */
  async #save(): Promise<void> {
    const temporary = `${this.#file}.${randomBytes(4).toString('hex')}`
    try {
      const handle = await open(temporary, 'wx', 0o600)
      try {
        const durable = [...this.#entries.values()].filter((entry) => DURABLE.has(entry.do))
        await handle.writeFile(JSON.stringify(durable))
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, this.#file)
    } finally {
      await rm(temporary, { force: true })
    }
  }
}

function readEntries(text: string): Entry[] {
  try {
    return z.array(entrySchema).max(MOST).parse(JSON.parse(text))
  } catch {
    return []
  }
}
