import type { Attach, Cursors, LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import type { PictureSize } from '../../policy/viewed-stream.ts'
import { Lane } from '../lane/lane.ts'
import { LaneIdentity } from '../lane/lane-identity.ts'
import type { WorkerSlot } from '../worker-pool.ts'

const UNKNOWN_SIZE: PictureSize = { width: 1280, height: 720 }

/**
 * The lane of a switched stream. Its layers are those of the first input that has pictures, for the life of the
 * stream, and it always has sound: no viewer has to negotiate anew.
 */
export class SwitchedLane {
  readonly #identity: LaneIdentity
  readonly #rtpPort: number
  readonly #streamClass: StreamClass
  #lane: Lane | null = null
  #layers = 0
  #pictures: readonly PictureSize[] = []

  /** @param rtpPort loopback port of the switch process */
  constructor({ streamId, streamClass }: { streamId: string; streamClass: StreamClass }, rtpPort: number) {
    this.#identity = new LaneIdentity(streamId)
    this.#rtpPort = rtpPort
    this.#streamClass = streamClass
  }

  /** The lane, while its worker lives. */
  get alive(): Lane | null {
    return this.#lane?.alive ? this.#lane : null
  }

  get clock(): LaneClockState {
    return this.#identity.clock
  }

  /** Number of layers; 0 before the first input with pictures. */
  get layers(): number {
    return this.#layers
  }

  /** Sizes of the pictures by layer. */
  get pictures(): readonly PictureSize[] {
    return this.#pictures
  }

  /** Sizes that a slate should have. */
  get slateSizes(): readonly PictureSize[] {
    return this.#pictures.length > 0 ? this.#pictures : [UNKNOWN_SIZE]
  }

  /** @returns whether the layers were learnt by this call: the lane can be opened now */
  learn(layers: number): boolean {
    if (this.#layers > 0 || layers === 0) return false
    this.#layers = layers
    return true
  }

  /** The input on air has pictures of these sizes, ascending. The lane's upper layers get the largest again. */
  shows(pictures: readonly PictureSize[]): void {
    if (pictures.length === 0) return
    const surplus = Math.max(pictures.length - this.#layers, 0)
    this.#pictures = Array.from(
      { length: this.#layers },
      (_, layer) => pictures[Math.min(layer + surplus, pictures.length - 1)]!,
    )
  }

  /** @throws when the worker dies meanwhile */
  async open(slot: WorkerSlot): Promise<void> {
    this.#lane = await Lane.open(
      slot,
      { renditions: this.#layers, audio: true },
      this.#identity,
      this.#rtpPort,
    )
  }

  /** What a switch process must know to send to the lane, once for each process and lane. */
  attachment(lane: Lane): Attach {
    this.#identity.resume(lane.layout.renditions > 1)
    return lane.attachment(CLASS_PROFILES[this.#streamClass].playoutDelayMs)
  }

  /** The process reports its positions. */
  advance(cursors: Cursors): void {
    this.#identity.advance(cursors)
  }

  /** The process died: nobody knows what it sent after its last report. */
  processDied(): void {
    this.#identity.processDied()
  }

  close(): void {
    this.#lane?.close()
  }
}
