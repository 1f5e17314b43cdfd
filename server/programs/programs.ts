import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, SYSTEM_CLOCK } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { ChangeProgram, CreateProgram } from '../../common/wire/programs-api.ts'
import { globCost, isPattern } from '../../policy/glob.ts'
import { MAX_PROGRAM_DEPTH, type ProgramNode, programFault } from '../../policy/programs/program-graph.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { type AuthenticatedPrincipal, actorOf } from '../auth/principal.ts'
import { ChangesInTurn } from '../flows/changes-in-turn.ts'
import { LateDeletions } from '../flows/late-deletions.ts'
import { USUAL_PRIORITY } from '../flows/publisher-flow.ts'
import { Collection } from '../store/collection.ts'
import type { Store } from '../store/store.ts'
import type { Asker } from './asker.ts'
import { Program, type ProgramDependencies } from './program.ts'
import { programAudit } from './program-audit.ts'
import { type ProgramRecord, programRecordSchema, programStateSchema } from './program-record.ts'

/** Most programs of a tenant. */
export const MAX_PROGRAMS = 50
/** Of all patterns of a program, see `globCost`: each stream is compared with each of them whenever one comes or goes. */
const MAX_PATTERN_COST = 300

export interface ProgramsOptions extends Omit<ProgramDependencies, 'write' | 'mayShow' | 'clock'> {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  /** Hubs that share a database leave each other's programs alone. */
  readonly hubId: string
  /** Whether the caller who named a program's inputs may watch a stream; the reason where not. */
  readonly mayWatch: (
    principal: ProgramRecord['principal'],
    tenantId: string,
    streamId: string,
  ) => { readonly allowed: boolean; readonly rule: string; readonly reason: string }
  readonly workersFull: () => { readonly resource: string; readonly words: string } | null
  readonly clock?: Clock
}

/** The programs of all tenants. They stand until somebody deletes them, also over restarts of the hub. */
export class Programs implements AsyncDisposable {
  readonly #options: ProgramsOptions
  readonly #clock: Clock
  readonly #deps: ProgramDependencies
  readonly #records: Collection<ProgramRecord>
  readonly #states: Collection<Program['state']>
  /** By tenant and id. */
  readonly #programs = new Map<string, Program>()
  /** Changes of a tenant's programs happen one after the other, so that two at once make no loop together. */
  readonly #turns = new ChangesInTurn()
  readonly #deletions = new LateDeletions()
  readonly #stopWatching: () => void
  /** Tenants whose streams or policy changed. */
  readonly #changed = new Set<string>()
  #looking = false

  constructor(options: ProgramsOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#records = new Collection(options.store, 'program', programRecordSchema)
    this.#states = new Collection(options.store, 'program-state', programStateSchema)
    this.#deps = {
      ...options,
      clock: this.#clock,
      mayShow: ({ record, tenantId }, streamId) =>
        options.mayWatch(record.principal, tenantId, streamId).allowed,
      write: ({ tenantId, id, state }, audit) =>
        options.store.write([this.#states.putChange(tenantId, this.#idOf(id), state)], audit),
    }
    const changed = ({ spec }: { readonly spec: { readonly tenantId: string } }) => this.#look(spec.tenantId)
    this.#stopWatching = options.streams.watch({ opened: changed, closed: changed })
  }

  /** Goes on with the programs from before a restart. @throws CodedError of the store */
  async restore(): Promise<void> {
    const states = new Map(
      (await this.#states.list(null)).map(({ tenant_id, id, value }) => [keyOf(tenant_id, id), value]),
    )
    for (const { tenant_id, id, version, value } of await this.#records.list(null)) {
      if (value.hub_id !== this.#options.hubId) continue
      const state = states.get(keyOf(tenant_id, id)) ?? this.#firstState(false)
      const program = new Program(tenant_id, { version, value }, state, this.#deps)
      this.#programs.set(keyOf(tenant_id, value.program_id), program)
      this.#guard(() => program.open())
    }
  }

  /** All programs, or those of a tenant, in the order of their ids. */
  list(tenantId: string | null): Program[] {
    return Array.from(this.#programs.values())
      .filter((program) => tenantId === null || program.tenantId === tenantId)
      .sort((one, other) => (keyOf(one.tenantId, one.id) < keyOf(other.tenantId, other.id) ? -1 : 1))
  }

  find(tenantId: string, programId: string): Program | undefined {
    return this.#programs.get(keyOf(tenantId, programId))
  }

  /** @throws CodedError `program_not_found` (404), also for another tenant's */
  get(tenantId: string, programId: string): Program {
    const program = this.find(tenantId, programId)
    if (program) return program
    throw notFound(programId)
  }

  /**
   * Makes a program and opens its stream.
   * @throws CodedError `stream_exists`, `too_many_programs`, `program_loop`, `program_too_deep` (409), `input_denied` (403)
   *   for an input that the caller may not watch, `bad_request` (400) for a costly pattern, `saturated` (503), and errors of
   *   the store
   */
  async create(
    principal: AuthenticatedPrincipal,
    tenantId: string,
    { tenant_id: _, auto, ...wanted }: CreateProgram,
    requestId: string,
  ): Promise<Program> {
    const asker = { actor: actorOf(principal), requestId }
    const value: ProgramRecord = {
      ...wanted,
      inputs: unique(wanted.inputs),
      principal: whoIs(principal),
      hub_id: this.#options.hubId,
      created_at: this.#clock.wall(),
      created_by: asker.actor,
    }
    return await this.#turns.run(tenantId, async () => {
      const { program_id, inputs, audio, class: streamClass } = value
      const key = keyOf(tenantId, program_id)
      if (this.#programs.has(key))
        throw new CodedError('stream_exists', `there is a program "${program_id}" already`)
      if (this.list(tenantId).length >= MAX_PROGRAMS)
        throw new CodedError('too_many_programs', `a tenant has at most ${MAX_PROGRAMS} programs`)
      this.#check(value, tenantId)
      const full = this.#options.workersFull()
      if (full)
        throw new CodedError('saturated', `${full.resource}: ${full.words}`, { resource: full.resource })
      const program = new Program(tenantId, { version: 1, value }, this.#firstState(auto), this.#deps)
      program.open()
      const id = this.#idOf(program_id)
      const record = this.#records.putChange(tenantId, id, value, 0)
      const state = this.#states.putChange(tenantId, id, program.state)
      const about = { class: streamClass, inputs, audio, auto }
      try {
        await this.#options.store.write(
          [record, state],
          [this.#audit(asker, program, 'program.create', about)],
        )
      } catch (error) {
        await program.close()
        throw error
      }
      this.#programs.set(key, program)
      this.#options.tell(program, 'created', { class: streamClass })
      return program
    })
  }

  /**
   * Changes what is named. Where that is the inputs, the program shows what this caller may watch from now on.
   * @param matches throws where another version was to be changed
   * @throws CodedError `version_conflict` (412), `program_not_found` (404), and as `create`
   */
  async change(
    principal: AuthenticatedPrincipal,
    program: Program,
    change: ChangeProgram,
    requestId: string,
    matches: (version: number) => void,
  ): Promise<void> {
    const { tenantId, id } = program
    await this.#turns.run(tenantId, async () => {
      if (this.get(tenantId, id) !== program) throw notFound(id)
      const { version, record } = program
      matches(version)
      const named = withoutUndefined(change)
      const value: ProgramRecord = {
        ...record,
        ...named,
        ...(change.inputs && { inputs: unique(change.inputs), principal: whoIs(principal) }),
      }
      if (change.inputs) this.#check(value, tenantId)
      const asker = { actor: actorOf(principal), requestId }
      const put = this.#records.putChange(tenantId, this.#idOf(id), value, version)
      const audit = this.#audit(asker, program, 'program.change', named)
      const [next = version + 1] = await this.#options.store.write([put], [audit])
      this.#guard(() => program.changed({ version: next, value }))
      this.#options.tell(program, 'changed', {})
    })
  }

  /**
   * Ends a program and its stream. Programs that take it as an input find nothing there.
   * @throws CodedError of the store. The program is over all the same, and the store is asked until it has recorded that.
   */
  async remove(by: Pick<Asker, 'actor' | 'requestId'>, program: Program): Promise<void> {
    const { tenantId, id } = program
    this.#programs.delete(keyOf(tenantId, id))
    await program.close()
    const audit = this.#audit(by, program, 'program.delete', {})
    const stored = this.#idOf(id)
    const changes = [
      this.#records.deleteChange(tenantId, stored),
      this.#states.deleteChange(tenantId, stored),
    ]
    this.#options.tell(program, 'deleted', {})
    try {
      await this.#options.store.write(changes, [audit])
    } catch (error) {
      // Otherwise the program would be back after a restart. A program that has its name by now stays.
      this.#deletions.add(() =>
        this.#turns.run(tenantId, async () => {
          if (!this.find(tenantId, id)) await this.#options.store.write(changes, [audit])
        }),
      )
      throw error
    }
  }

  /** A tenant's policy changed: its programs show what their makers may still watch. */
  policyChanged(tenantId: string): void {
    this.#look(tenantId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopWatching()
    this.#deletions[Symbol.dispose]()
    const programs = Array.from(this.#programs.values())
    this.#programs.clear()
    await Promise.all(programs.map((program) => program.close()))
  }

  /** Looks at a tenant's programs, one in each turn of the event loop: a policy may take long to ask. */
  #look(tenantId: string): void {
    this.#changed.add(tenantId)
    if (this.#looking) return
    this.#looking = true
    void this.#lookAtAll()
  }

  async #lookAtAll(): Promise<void> {
    await turn()
    for (const tenantId of this.#changed) {
      this.#changed.delete(tenantId)
      for (const program of this.list(tenantId)) {
        // It may have been deleted meanwhile.
        if (this.find(tenantId, program.id) === program)
          this.#guard(() => {
            if (!program.isOpen) program.open()
            program.lookAtStreams()
          })
        await turn()
      }
    }
    this.#looking = false
  }

  /** A stream of another kind may have the program's name: the program waits until that stream is gone. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!(error instanceof CodedError && error.code === 'stream_exists')) this.#options.onError(error)
    }
  }

  /** @throws CodedError of the refusal */
  #check(value: ProgramRecord, tenantId: string): void {
    const { program_id, inputs, principal } = value
    const patterns = inputs.filter(isPattern)
    if (patterns.reduce((sum, pattern) => sum + globCost(pattern), 0) > MAX_PATTERN_COST)
      throw new CodedError('bad_request', 'the patterns have too many parts', {
        details: [
          `body.inputs: too many parts between two \`*\`, or long parts with \`?\`: ${patterns.join(', ')}`,
        ],
      })
    for (const input of inputs.filter((each) => !isPattern(each))) {
      const { allowed, rule, reason } = this.#options.mayWatch(principal, tenantId, input)
      if (!allowed)
        throw new CodedError('input_denied', reason, { rule, details: [`input: ${input}`, `rule: ${rule}`] })
    }
    const others: readonly ProgramNode[] = this.list(tenantId)
      .filter(({ id }) => id !== program_id)
      .map(({ id, record }) => ({ id, inputs: record.inputs }))
    const fault = programFault([...others, { id: program_id, inputs }])
    if (!fault) return
    const way = fault.way.join(' -> ')
    if (fault.kind === 'loop')
      throw new CodedError('program_loop', `a program would be an input of itself: ${way}`, {
        details: [`body.inputs: ${way}; a pattern takes every program whose id it matches`],
      })
    throw new CodedError(
      'program_too_deep',
      `more than ${MAX_PROGRAM_DEPTH} programs one behind the other: ${way}`,
    )
  }

  #firstState(auto: boolean): Program['state'] {
    return { hub_id: this.#options.hubId, auto, on_air: null, lock: null, priority: USUAL_PRIORITY }
  }

  /** Ids of documents are unique over hubs. */
  #idOf(programId: string): string {
    return `${this.#options.hubId}/${programId}`
  }

  #audit(
    asker: Pick<Asker, 'actor' | 'requestId'>,
    program: Program,
    action: string,
    detail: object,
  ): AuditDraft {
    return programAudit(program, this.#clock.wall(), asker, action, 'done', detail)
  }
}

function keyOf(tenantId: string, id: string): string {
  return `${tenantId}/${id}`
}

function notFound(programId: string): CodedError {
  return new CodedError('program_not_found', `there is no program "${programId}"`)
}

function unique(inputs: readonly string[]): string[] {
  return [...new Set(inputs)]
}

/** A caller without the proof. */
function whoIs({ id, role, tenant_id, node_id, grants }: AuthenticatedPrincipal): ProgramRecord['principal'] {
  return { id, role, tenant_id, node_id, grants }
}

/** The fields that are named. */
function withoutUndefined<T extends object>(fields: T) {
  type Named = { [Field in keyof T]?: Exclude<T[Field], undefined> }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Named
}
