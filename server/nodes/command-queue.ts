import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { secretOf as secretOfSource, withSecret } from '../../common/node-config/config-secrets.ts'
import { SECRET_MASK } from '../../common/wire/node-config.ts'
import { KEPT_COMMANDS, MAX_WAITING_COMMANDS, type NodeCommand } from '../../common/wire/nodes-api.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection } from '../store/collection.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Change, DeleteChange, PutChange, Store } from '../store/store.ts'
import { type CommandRecord, type CommandsRecord, commandsRecordSchema, isOver } from './command-record.ts'
import { orAgain } from './node-configs.ts'
import { type NodeName, storeTenant } from './node-name.ts'

const KIND = 'node-commands'

export interface CommandQueueOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly sealer: Sealer
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface NewCommand {
  readonly command: NodeCommand
  readonly request_id: string | null
  readonly expires_in_s: number
  readonly by: string
}

/** The commands of each node: one after the other, kept across restarts, done once for one request id. */
export class CommandQueue {
  readonly #options: CommandQueueOptions
  readonly #collection: Collection<CommandsRecord>

  constructor(options: CommandQueueOptions) {
    this.#options = options
    this.#collection = new Collection(options.store, KIND, commandsRecordSchema)
  }

  async list(node: NodeName): Promise<readonly CommandRecord[]> {
    return (await this.#collection.get(storeTenant(node), node.nodeId))?.value.commands ?? []
  }

  /**
   * Puts a command at the end of the queue. A request id that is known is the same command.
   * @param audit of a new command
   * @throws CodedError `request_reused` (409) where the id had another command, `too_many_commands` (429), see Store.write
   */
  async post(
    node: NodeName,
    wanted: NewCommand,
    audit: (commandId: string) => AuditDraft,
  ): Promise<CommandRecord> {
    return orAgain(async () => {
      const { commands, stored } = await this.#read(node)
      const known = wanted.request_id === null ? undefined : this.#known(node, commands, wanted)
      if (known) return known
      const waiting = commands.filter((each) => !isOver(each)).length
      if (waiting >= MAX_WAITING_COMMANDS)
        throw new CodedError('too_many_commands', `${waiting} commands wait for the node`, {
          retryAfterSeconds: 10,
          details: ['wait until some are done or expired'],
        })
      const record = this.#record(node, wanted)
      const kept = forgetting([...commands, record])
      await this.#options.store.write([this.#put(node, kept, stored)], [audit(record.command_id)])
      return record
    })
  }

  /**
   * Changes one command, together with other documents.
   * @param others made anew for each attempt, because a conflict may be about them
   */
  async change(
    node: NodeName,
    commandId: string,
    change: Partial<CommandRecord>,
    others: () => Promise<readonly Change[]> = async () => [],
    audit: readonly AuditDraft[] = [],
  ): Promise<void> {
    await orAgain(async () => {
      const { commands, stored } = await this.#read(node)
      const at = commands.findIndex(({ command_id }) => command_id === commandId)
      const record = commands[at]
      if (!record) return
      const changed = forgetting(commands.with(at, { ...record, ...change }))
      await this.#options.store.write([this.#put(node, changed, stored), ...(await others())], audit)
    })
  }

  /** The command with its secret, for the device alone. */
  opened(node: NodeName, { command, secret }: CommandRecord): NodeCommand {
    if (secret === null) return command
    return sourceWith(command, this.#options.sealer.open(secret, this.#place(node)))
  }

  /** The change that forgets a node's commands. */
  planForget(node: NodeName): DeleteChange {
    return this.#collection.deleteChange(storeTenant(node), node.nodeId)
  }

  async #read(node: NodeName): Promise<{ commands: readonly CommandRecord[]; stored: number }> {
    const found = await this.#collection.get(storeTenant(node), node.nodeId)
    return { commands: found?.value.commands ?? [], stored: found?.version ?? 0 }
  }

  #known(node: NodeName, commands: readonly CommandRecord[], wanted: NewCommand): CommandRecord | undefined {
    const known = commands.find(({ request_id }) => request_id === wanted.request_id)
    if (known && !isDeepStrictEqual(this.opened(node, known), wanted.command))
      throw new CodedError('request_reused', 'the request id was used for another command')
    return known
  }

  #record(node: NodeName, { command, request_id, expires_in_s, by }: NewCommand): CommandRecord {
    const made_at = this.#options.now()
    const secret = secretOf(command)
    return {
      command_id: `n-${randomBytes(9).toString('hex')}`,
      request_id,
      command: secret === undefined ? command : sourceWith(command, SECRET_MASK),
      secret: secret === undefined ? null : this.#options.sealer.seal(secret, this.#place(node)),
      state: 'waiting',
      outcome: null,
      config_version: null,
      attempt: null,
      made_at,
      made_by: by,
      expires_at: made_at + expires_in_s * 1000,
      ended_at: null,
    }
  }

  #put(node: NodeName, commands: readonly CommandRecord[], stored: number): PutChange {
    return this.#collection.putChange(storeTenant(node), node.nodeId, { commands: [...commands] }, stored)
  }

  #place(node: NodeName) {
    return { kind: KIND, tenant_id: storeTenant(node), id: node.nodeId, field: 'secret' }
  }
}

/** Leaves out the oldest of those that are over. */
function forgetting(commands: readonly CommandRecord[]): readonly CommandRecord[] {
  let surplus = commands.filter(isOver).length - KEPT_COMMANDS
  return commands.filter((each) => !isOver(each) || surplus-- <= 0)
}

/** The password that a command brings; a mask is none. */
function secretOf(command: NodeCommand): string | undefined {
  const secret = command.do === 'source' ? secretOfSource(command.source) : undefined
  return secret === SECRET_MASK ? undefined : secret
}

function sourceWith(command: NodeCommand, secret: string): NodeCommand {
  return command.do === 'source' ? { ...command, source: withSecret(command.source, secret) } : command
}
