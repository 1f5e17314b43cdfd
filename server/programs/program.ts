import { type Clock, steadyOf, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'
import type { LockRequest, ProgramView, TakeAnswer, TakeRequest } from '../../common/wire/programs-api.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import { MAX_INPUTS, SLATE } from '../../common/wire/switched-inputs.ts'
import { type InputAnswer, inputsNow } from '../../policy/programs/program-inputs.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { ProgramNews } from '../facts/fact.ts'
import type { Typed } from '../store/collection.ts'
import type { Asker } from './asker.ts'
import { CutLock } from './cut-lock.ts'
import { KeptState } from './kept-state.ts'
import { programAudit } from './program-audit.ts'
import { type ProgramRecord, type ProgramState, rulesOf } from './program-record.ts'
import type { ProgramSource, ProgramStream, ProgramStreams } from './program-source.ts'
import { programView } from './program-view.ts'
import { RememberedTakes } from './remembered-takes.ts'
import { refuseFarTimes, within } from './take-time.ts'
import { TakesInTurn } from './takes-in-turn.ts'

/** A switched stream answers a take within 5 s; this is for one that does not. */
const TAKE_WITHIN_MS = 6000
/** An answer waits this long for the store, ms. */
const STORE_WITHIN_MS = 2000

export type NewsData = Readonly<Record<string, string | number | boolean | null>>

export interface ProgramDependencies {
  readonly streams: ProgramStreams
  readonly clock: Clock
  /** Stores the state of a program. */
  readonly write: (program: Program, audit: readonly AuditDraft[]) => Promise<unknown>
  /** Records a refused cut on the audit trail; a flood becomes one record. */
  readonly noteRefusal: (draft: AuditDraft) => void
  readonly tell: (program: Program, news: ProgramNews, data: NewsData) => void
  /**
   * A take is over.
   * @param code of its refusal; null where it happened
   * @param ms from the request to the switch; null for a take that had a time, or did not happen
   */
  readonly took: (code: string | null, ms: number | null) => void
  /** The program's stream was opened, or is over: who watches has seen its last state. */
  readonly opened: (program: Program) => void
  readonly closed: (program: Program) => void
  readonly streamIds: (tenantId: string) => readonly string[]
  readonly mayShow: (program: Program, streamId: string) => boolean
  readonly onError: (error: unknown) => void
}

type Version = Pick<Typed<ProgramRecord>, 'version' | 'value'>

/** One program: its stream, who may cut, and the cuts one after the other. */
export class Program {
  readonly tenantId: string
  readonly #deps: ProgramDependencies
  readonly #takes: TakesInTurn
  readonly #answers: RememberedTakes<TakeAnswer>
  readonly #kept: KeptState
  readonly #lock: CutLock
  #document: Version
  #state: ProgramState
  #stream: ProgramStream | null = null
  #stopObserving = (): void => {}
  #inputs: InputAnswer = { inputs: [], leftOut: [] }
  /** The input of the take that is being carried out. */
  #taking: string | null = null

  constructor(tenantId: string, document: Version, state: ProgramState, deps: ProgramDependencies) {
    this.tenantId = tenantId
    this.#document = document
    this.#state = state
    this.#deps = deps
    this.#takes = new TakesInTurn(deps.clock.steady)
    this.#answers = new RememberedTakes(deps.clock.steady)
    this.#kept = new KeptState({ write: (audit) => deps.write(this, audit), failed: deps.onError })
    this.#lock = new CutLock(state.lock, deps.clock)
  }

  get id(): string {
    return this.record.program_id
  }

  get record(): ProgramRecord {
    return this.#document.value
  }

  get version(): number {
    return this.#document.version
  }

  /** What is stored beside the record. */
  get state(): ProgramState {
    return { ...this.#state, lock: this.#lock.stored }
  }

  get isOpen(): boolean {
    return this.#stream !== null
  }

  /** How what viewers see is doing. */
  get streamState(): StreamState['state'] {
    return this.#stream?.state.state ?? 'waiting'
  }

  /** Opens the program's stream. @throws CodedError `stream_exists` (409), `ports_exhausted` (503) */
  open(): void {
    const { streams, opened } = this.#deps
    const { auto, on_air } = this.#state
    this.#inputs = this.#inputsNow()
    this.#stream = streams.openSwitched(
      { tenantId: this.tenantId, streamId: this.id, streamClass: this.record.class },
      {
        inputs: this.#inputs.inputs.map(asInput),
        rules: rulesOf(this.record, this.#state),
        resume: auto ? null : on_air,
      },
    )
    this.#stopObserving = this.#source.observe({ switched: ({ to }) => this.#switched(to) })
    opened(this)
  }

  /** Streams came or went, or the policy changed. @throws CodedError `ports_exhausted` (503); the inputs stay */
  lookAtStreams(): void {
    if (!this.#stream) return
    const now = this.#inputsNow()
    const { inputs } = this.#inputs
    if (inputs.join() !== now.inputs.join()) this.#source.setInputs(now.inputs.map(asInput))
    this.#inputs = now
    const { preview } = this.#source.status
    if (preview !== null && !now.inputs.includes(preview)) this.#source.preview(null)
  }

  /** The next version is stored. */
  changed(document: Version): void {
    this.#document = document
    if (this.#stream) this.#source.setRules(rulesOf(this.record, this.#state))
    this.lookAtStreams()
  }

  /**
   * Cuts. Takes of a program happen one after the other, and each answers when it has happened.
   * @throws CodedError `program_locked`, `input_not_live`, `keyframe_late`, `take_superseded`, `request_reused` (409), `input_not_found`
   *   (404), `bad_request` (400) for a time too far away, `too_many_requests` (429), `switch_unavailable` (503), `gone`
   */
  async take(asker: Asker, request: TakeRequest): Promise<TakeAnswer> {
    const { request_id, ...question } = request
    if (request_id === undefined) return await this.#cut(asker, question)
    return await this.#answers.answer(`${asker.owner} ${request_id}`, question, () =>
      this.#cut(asker, question),
    )
  }

  /** Arms an input, or none: its keyframe is asked for, and its layers are kept warm. @throws as `take` */
  preview(asker: Asker, input: string | null): void {
    this.#admit(asker, 'program.preview', () => {
      if (input !== null) this.#find(input)
      this.#source.preview(input)
    })
  }

  /** Follows the ordered inputs, or stays with what is on air. @throws as `take` */
  async setAuto(asker: Asker, auto: boolean): Promise<void> {
    this.#admit(asker, 'program.auto', () => {
      // What was taken by hand counts until the rules begin to decide anew.
      if (auto && this.#state.auto) this.#source.setRules(rulesOf(this.record, { auto: false }))
      this.#source.setRules(rulesOf(this.record, { auto }))
    })
    const { on_air } = this.#source.status
    this.#state = { ...this.#state, auto, on_air: on_air === SLATE ? this.#state.on_air : on_air }
    this.#deps.tell(this, 'changed', { auto })
    await this.#save(this.#audit(asker, 'program.auto', 'done', { auto }))
  }

  /**
   * Takes the lock, or goes on with it.
   * @param mayBreak whether the asker may take it from its holder
   * @throws CodedError `program_locked` (409)
   */
  async lock(asker: Asker, { seconds, break: breaks }: LockRequest, mayBreak: boolean): Promise<void> {
    const { holder } = this.#lock
    const broken = holder !== null && holder !== asker.owner && breaks && mayBreak
    if (!broken) this.#admit(asker, 'program.lock', () => {})
    this.#lock.take(asker.owner, seconds)
    this.#deps.tell(this, 'locked', { holder: asker.owner, broken })
    await this.#save(
      this.#audit(asker, 'program.lock', 'done', { seconds, ...(broken && { broken: holder }) }),
    )
  }

  /**
   * Gives the lock back; does nothing where there is none.
   * @param mayBreak whether the asker may end another's lock
   * @throws CodedError `program_locked` (409)
   */
  async unlock(asker: Asker, mayBreak: boolean): Promise<void> {
    const { holder } = this.#lock
    if (holder === null) return
    const broken = holder !== asker.owner
    if (broken && !mayBreak) this.#admit(asker, 'program.unlock', () => {})
    this.#lock.release()
    this.#deps.tell(this, 'unlocked', { holder, broken })
    await this.#save(this.#audit(asker, 'program.unlock', 'done', { holder }))
  }

  /** Stores the program's priority among the streams of one viewer, 1 to 255. */
  async setPriority(priority: number, audit: AuditDraft): Promise<void> {
    this.#state = { ...this.#state, priority }
    await this.#save(audit)
  }

  view(): ProgramView {
    const { tenantId, version, record, state } = this
    const stream = this.#stream
    const source = stream && this.#source.status
    return programView({ tenantId, version, record, state, stream, source, leftOut: this.#inputs.leftOut })
  }

  /** Ends the program's stream. The program's documents stay. */
  async close(): Promise<void> {
    this.#takes[Symbol.dispose]()
    this.#stopObserving()
    // What is over is off the air at once, also while the store is away.
    const stored = this.#kept[Symbol.asyncDispose]()
    if (this.#stream) {
      this.#stream = null
      const closed = this.#deps.streams.close(this.tenantId, this.id)
      this.#deps.closed(this)
      await closed
    }
    await stored
  }

  /** @throws CodedError `switch_unavailable` (503) */
  get #source(): ProgramSource {
    const source = this.#stream ? this.#deps.streams.switched(this.tenantId, this.id) : undefined
    if (source) return source
    throw new CodedError('switch_unavailable', `another stream has the name of program ${this.id}`)
  }

  async #cut(asker: Asker, request: Omit<TakeRequest, 'request_id'>): Promise<TakeAnswer> {
    const { clock, took, tell, noteRefusal } = this.#deps
    const { input, at_unix_ms } = request
    const startedAt = clock.steady()
    // The moment stays the same, whatever the date is set to while the take waits.
    const atMs = at_unix_ms === undefined ? null : steadyOf(clock, at_unix_ms)
    try {
      refuseFarTimes(at_unix_ms, clock.wall())
      this.#refuse(asker, request)
      const taken = await this.#takes.take(atMs, async () => {
        // The lock, the inputs and the asker's rights may be others by now.
        this.#refuse(asker, request)
        if (!asker.mayStill()) throw new CodedError('denied', `${asker.owner} may not cut any more`)
        return await this.#takeNow(request, atMs)
      })
      took(null, at_unix_ms === undefined ? clock.steady() - startedAt : null)
      this.#state = { ...this.#state, on_air: input }
      this.#lock.used(asker.owner)
      const { at_unix_ms: at, capture_unix_ms } = taken
      tell(this, 'taken', { input, by: asker.owner, at_unix_ms: at })
      await this.#save(
        this.#audit(asker, 'program.take', 'done', { ...request, taken_at: at, capture_unix_ms }),
      )
      return { program_id: this.id, input, at_unix_ms: at, capture_unix_ms }
    } catch (error) {
      const code = codeOf(error)
      took(code, null)
      noteRefusal(this.#audit(asker, 'program.take', code, request))
      throw error
    }
  }

  async #takeNow({ input, audio }: Pick<TakeRequest, 'input' | 'audio'>, atMs: number | null) {
    const options = {
      ...(audio !== undefined && { audio }),
      ...(atMs !== null && { atUnixMs: wallOf(this.#deps.clock, atMs) }),
    }
    this.#taking = input
    try {
      return await within(TAKE_WITHIN_MS, this.#source.take(input, options))
    } finally {
      this.#taking = null
    }
  }

  /** @throws CodedError of the refusal */
  #refuse(asker: Asker, { input, audio }: Pick<TakeRequest, 'input' | 'audio'>): void {
    this.#lock.refuseOthers(asker.owner)
    this.#find(input)
    if (audio !== undefined) this.#find(audio)
  }

  /** @throws CodedError `input_not_found` (404), also for streams that are there and no input */
  #find(input: string): void {
    if (this.#inputs.inputs.includes(input)) return
    throw new CodedError('input_not_found', `program ${this.id} has no input "${input}"`)
  }

  /** Does something that only the holder of the lock may do. */
  #admit(asker: Asker, action: string, act: () => void): void {
    try {
      this.#lock.refuseOthers(asker.owner)
      act()
      this.#lock.used(asker.owner)
    } catch (error) {
      this.#deps.noteRefusal(this.#audit(asker, action, codeOf(error), {}))
      throw error
    }
  }

  #inputsNow(): InputAnswer {
    const { preview = null, on_air = null } = this.#stream ? this.#source.status : {}
    const chosen = this.#state.auto ? null : this.#state.on_air
    const { mayShow, streamIds } = this.#deps
    return inputsNow({
      wanted: this.record.inputs,
      streams: streamIds(this.tenantId),
      present: this.#inputs.inputs,
      held: [preview, on_air, this.#taking, chosen].filter((id) => id !== null && id !== SLATE) as string[],
      most: MAX_INPUTS,
      mayShow: (streamId) => mayShow(this, streamId),
    })
  }

  #switched(to: string): void {
    // The end of a take stores it, with its record. What the rules choose, they choose again after a restart.
    if (this.#state.auto || to === SLATE || to === this.#taking || to === this.#state.on_air) return
    this.#state = { ...this.#state, on_air: to }
    void this.#kept.save()
  }

  /** A cut has happened: its answer does not wait long for a store that is away. */
  async #save(audit: AuditDraft): Promise<void> {
    const over = new AbortController()
    const late = pause(STORE_WITHIN_MS, over.signal).catch(() => {})
    await Promise.race([this.#kept.save(audit), late])
    over.abort()
  }

  #audit(asker: Asker, action: string, outcome: string, detail: object): AuditDraft {
    return programAudit(this, this.#deps.clock.wall(), asker, action, outcome, detail)
  }
}

function asInput(id: string) {
  return { id }
}

function codeOf(error: unknown): string {
  return error instanceof CodedError ? error.code : 'internal'
}
