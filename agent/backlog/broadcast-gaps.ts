import type { Broadcast } from '../../common/wire/node-config.ts'
import { laneInputOf } from '../../common/wire/switched-inputs.ts'
import type { GapRecorder } from './gap-recorder.ts'

/** What a broadcast needs of the device's backlog. */
export interface GapKeeper {
  recorder(stream: string): GapRecorder
  mbOf(stream: string): number
}

/**
 * What one broadcast could not send in time. It is kept where the configuration says so, but not while the hub refuses the
 * stream: that is no fault of the links.
 */
export class BroadcastGaps {
  readonly #keeper: GapKeeper
  readonly #stream: string
  #recorder: GapRecorder | null = null
  #carries = false
  #denied = false

  /** @param stream as the hub calls it */
  constructor(keeper: GapKeeper, stream: string) {
    this.#keeper = keeper
    this.#stream = stream
  }

  /** Whether gaps are kept, from now on. */
  keep(keeps: boolean): void {
    if (keeps === (this.#recorder !== null)) return
    this.#recorder?.close()
    this.#recorder = keeps ? this.#keeper.recorder(this.#stream) : null
    if (keeps && !this.#carries && !this.#denied) this.#recorder?.carries(false, performance.now())
  }

  /** @param capturedMs capture time of the last picture, Unix ms of the hub's clock */
  write(ts: Buffer, capturedMs: number): void {
    this.#recorder?.write(ts, capturedMs, performance.now())
  }

  /** Whether anything gets through. */
  carries(carries: boolean): void {
    this.#carries = carries
    if (!this.#denied) this.#recorder?.carries(carries, performance.now())
  }

  /** Something that was written just now got lost. */
  lost(): void {
    if (!this.#denied) this.#recorder?.lost(performance.now())
  }

  /** Whether the hub refuses the stream. */
  denied(denied: boolean): void {
    if (denied === this.#denied) return
    this.#denied = denied
    if (denied) this.#recorder?.close()
    else if (!this.#carries) this.#recorder?.carries(false, performance.now())
  }

  /** Whether what is made now goes to the disk because nothing gets through. */
  get isOffline(): boolean {
    return this.#recorder !== null && !this.#carries && !this.#denied
  }

  /** What waits for its delivery, MB. */
  get mb(): number {
    return this.#keeper.mbOf(this.#stream)
  }

  close(): void {
    this.#recorder?.close()
    this.#recorder = null
  }
}

/** What the hub calls the stream of a broadcast: each input of a switched stream has a name of its own. */
export function hubStreamOf({ stream_id, input }: Pick<Broadcast, 'stream_id' | 'input'>): string {
  if (!input) return stream_id
  const { role, priority } = laneInputOf(input)
  return priority === 1 ? `${stream_id}.${role}` : `${stream_id}.${role}-${priority}`
}
