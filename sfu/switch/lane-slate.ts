import type { HubToSwitch } from '../../common/wire/switch-ipc.ts'
import type { PictureSize } from '../../policy/viewed-stream.ts'

/** Makes the pictures of a slate. */
export interface Slates {
  /**
   * For each size two access units (Annex B, IDR) with different `idr_pic_id`.
   * @param sizes ascending
   */
  pictures(
    sizes: readonly PictureSize[],
    about: { readonly tenantId: string; readonly name: string; readonly sinceUnixMs: number },
  ): Promise<readonly (readonly Uint8Array[])[]>
}

export interface LaneSlateOptions {
  readonly slates: Slates | null
  readonly tenantId: string
  /** The name in the picture. */
  readonly name: string
  readonly made: (messages: readonly HubToSwitch[]) => void
  readonly failed: (error: unknown) => void
}

/** The slate of one lane: made anew each time the lane has lost its last input. */
export class LaneSlate {
  readonly #options: LaneSlateOptions
  #messages: readonly HubToSwitch[] = []
  #turn = 0

  constructor(options: LaneSlateOptions) {
    this.#options = options
  }

  /** The last slate, for a new switch process. */
  get messages(): readonly HubToSwitch[] {
    return this.#messages
  }

  /** @param sizes of the lane's layers, ascending */
  async make(sizes: readonly PictureSize[], sinceUnixMs: number): Promise<void> {
    const { slates, tenantId, name, made, failed } = this.#options
    if (!slates) return
    this.#turn += 1
    const turn = this.#turn
    try {
      const pictures = await slates.pictures(sizes, { tenantId, name, sinceUnixMs })
      if (turn !== this.#turn) return
      this.#messages = pictures.flatMap((units, rendition) =>
        units.map((unit, index): HubToSwitch => {
          const base64 = Buffer.from(unit).toString('base64')
          return { type: 'slate', rendition, index, unit: base64 }
        }),
      )
      made(this.#messages)
    } catch (error) {
      failed(error)
    }
  }

  /** What is being made is no longer wanted. */
  forget(): void {
    this.#turn += 1
  }
}
