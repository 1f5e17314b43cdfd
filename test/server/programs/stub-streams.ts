import { CodedError } from '../../../common/errors.ts'
import type { StreamState } from '../../../common/wire/stream.ts'
import type { InputState, SwitchCause, SwitchRules } from '../../../common/wire/switched-inputs.ts'
import type { ProgramSource, ProgramStreams } from '../../../server/programs/program-source.ts'
import type { StreamSpec } from '../../../sfu/stream.ts'
import type { SwitchObserver, SwitchStatus } from '../../../sfu/switch/switch-status.ts'

type Taken = Awaited<ReturnType<ProgramSource['take']>>

/** A switched stream without media: each take waits until the test lets it happen, unless `instant`. */
export class StubSource implements ProgramSource {
  instant = true
  inputs: readonly string[]
  rules: SwitchRules
  /** Inputs of the takes so far, in their order. */
  readonly takes: string[] = []
  /** Their times, Unix ms. */
  readonly times: (number | undefined)[] = []
  /** Takes that wait. */
  readonly waiting: { readonly input: string; happen: () => void; fail: (error: unknown) => void }[] = []
  #onAir: string | null = null
  #preview: string | null = null
  #switches = 0
  readonly #health = new Map<string, InputState>()
  readonly #first: InputState
  readonly #observers = new Set<SwitchObserver>()

  /** What is to be on air again. */
  readonly resume: string | null

  /** @param first how an input is until the test says so */
  constructor(
    inputs: readonly { id: string }[],
    rules: SwitchRules,
    resume: string | null,
    first: InputState,
  ) {
    this.inputs = inputs.map(({ id }) => id)
    this.rules = rules
    this.resume = resume
    this.#first = first
  }

  setInputs(inputs: readonly { id: string }[]): void {
    this.inputs = inputs.map(({ id }) => id)
  }

  setRules(rules: SwitchRules): void {
    this.rules = rules
  }

  take(input: string, { atUnixMs }: { atUnixMs?: number } = {}): Promise<Taken> {
    this.takes.push(input)
    this.times.push(atUnixMs)
    const { promise, resolve, reject } = Promise.withResolvers<Taken>()
    const happen = () => {
      this.show(input)
      resolve({ input, at_unix_ms: 1000 + this.#switches, capture_unix_ms: null })
    }
    if (!this.inputs.includes(input)) reject(new CodedError('input_not_found', 'no such input'))
    else if ((this.#health.get(input) ?? this.#first) !== 'healthy')
      reject(new CodedError('input_not_live', 'it is not live'))
    else if (this.instant) happen()
    else this.waiting.push({ input, happen, fail: reject })
    return promise
  }

  preview(input: string | null): void {
    this.#preview = input
  }

  /** An input is like this from now on. */
  health(input: string, state: InputState): void {
    this.#health.set(input, state)
  }

  /** This is on air from now on. */
  show(to: string, cause: SwitchCause = 'taken'): void {
    const from = this.#onAir
    this.#onAir = to
    this.#switches += 1
    const when = { at_unix_ms: 1000, capture_unix_ms: null }
    for (const { switched } of this.#observers)
      switched({ from, to, cause, reason: cause, audio: to, taken: null, ...when })
  }

  get status(): SwitchStatus {
    return {
      on_air: this.#onAir,
      since_unix_ms: this.#onAir === null ? null : 1000,
      audio: this.#onAir,
      preview: this.#preview,
      switches: this.#switches,
      merged: [],
      inputs: this.inputs.map((id) => ({ id, state: this.#health.get(id) ?? this.#first, renditions: 1 })),
    }
  }

  observe(observer: SwitchObserver): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }
}

interface StubStream {
  readonly spec: StreamSpec
  readonly state: StreamState
  readonly viewers: number
}

/** The hub's streams, without media. */
export class StubStreams implements ProgramStreams {
  readonly #streams = new Map<string, { readonly stream: StubStream; readonly source: StubSource | null }>()
  readonly #first: InputState
  readonly #watchers = new Set<Parameters<ProgramStreams['watch']>[0]>()

  /** @param first how an input is until the test says so */
  constructor(first: InputState = 'absent') {
    this.#first = first
  }

  /** An ordinary stream. */
  open(tenantId: string, streamId: string): void {
    this.#add({ tenantId, streamId, streamClass: 'director' }, null)
  }

  openSwitched(
    ...[spec, { inputs, rules, resume = null }]: Parameters<ProgramStreams['openSwitched']>
  ): StubStream {
    return this.#add(spec, new StubSource(inputs, rules, resume, this.#first))
  }

  #add(spec: StreamSpec, source: StubSource | null): StubStream {
    const key = `${spec.tenantId}/${spec.streamId}`
    if (this.#streams.has(key)) throw new CodedError('stream_exists', 'it is open already')
    const stream = { spec, state: { state: 'waiting' as const }, viewers: 0 }
    this.#streams.set(key, { stream, source })
    for (const { opened } of this.#watchers) opened?.(stream)
    return stream
  }

  switched(tenantId: string, streamId: string): StubSource | undefined {
    return this.#streams.get(`${tenantId}/${streamId}`)?.source ?? undefined
  }

  list(): readonly StubStream[] {
    return Array.from(this.#streams.values(), ({ stream }) => stream)
  }

  watch(listener: Parameters<ProgramStreams['watch']>[0]): () => void {
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  async close(tenantId: string, streamId: string): Promise<void> {
    const key = `${tenantId}/${streamId}`
    const gone = this.#streams.get(key)
    this.#streams.delete(key)
    if (gone) for (const { closed } of this.#watchers) closed?.(gone.stream)
  }
}
