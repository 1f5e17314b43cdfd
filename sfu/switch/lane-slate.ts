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
  /** Calls `listener` when the slates of a tenant look different from now on. Call the returned function to stop. */
  onChange?(listener: (tenantId: string) => void): () => void
}

export interface LaneSlateOptions {
  readonly slates: Slates | null
  readonly tenantId: string
  /** The name in the picture. */
  readonly name: string
  readonly made: (messages: readonly HubToSwitch[]) => void
  readonly failed: (error: unknown) => void
}

/** What a slate is made of. */
interface SlateOrder {
  readonly sizes: readonly PictureSize[]
  readonly sinceUnixMs: number
}

/** The slate of one lane: made each time the lane has lost its last input, and again when its tenant's picture changes. */
export class LaneSlate implements Disposable {
  readonly #options: LaneSlateOptions
  readonly #unwatch: (() => void) | undefined
  #messages: readonly HubToSwitch[] = []
  #order: SlateOrder | null = null
  #turn = 0

  constructor(options: LaneSlateOptions) {
    this.#options = options
    this.#unwatch = options.slates?.onChange?.((tenantId) => {
      if (tenantId === options.tenantId && this.#order) void this.#make(this.#order)
    })
  }

  /** Whether there is a slate of the present outage. */
  get made(): boolean {
    return this.#messages.length > 0
  }

  /** The slate of the present outage, for a new switch process. */
  get messages(): readonly HubToSwitch[] {
    return this.#messages
  }

  /** @param sizes of the lane's layers, ascending */
  async make(sizes: readonly PictureSize[], sinceUnixMs: number): Promise<void> {
    this.#order = { sizes, sinceUnixMs }
    await this.#make(this.#order)
  }

  /** An input is back. The slate of the next outage has another time. */
  forget(): void {
    this.#order = null
    this.#messages = []
    this.#turn += 1
  }

  [Symbol.dispose](): void {
    this.#unwatch?.()
    this.forget()
  }

  async #make({ sizes, sinceUnixMs }: SlateOrder): Promise<void> {
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
}
