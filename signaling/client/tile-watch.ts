import type { View } from '../../common/wire/viewer-protocol.ts'

/** A size is reported when it has not changed for this long, ms: a dragged window changes every frame. */
const SETTLED_MS = 200

/** Watches how an element is shown: its size on the screen, and whether anybody can see it. */
export class TileWatch {
  readonly #element: Element
  readonly #changed: (view: View) => void
  readonly #resized: ResizeObserver
  readonly #scrolled: IntersectionObserver
  #timer: ReturnType<typeof setTimeout> | undefined
  #inSight = true
  #told = ''

  constructor(element: Element, changed: (view: View) => void) {
    this.#element = element
    this.#changed = changed
    this.#resized = new ResizeObserver(() => this.#later())
    this.#scrolled = new IntersectionObserver((entries) => {
      // Several changes may come at once, the newest last.
      this.#inSight = entries.at(-1)?.isIntersecting ?? true
      this.#tell()
    })
    this.#told = JSON.stringify(this.view)
    this.#resized.observe(element)
    this.#scrolled.observe(element)
    document.addEventListener('visibilitychange', this.#tell)
  }

  /** How the element is shown now. */
  get view(): View {
    const { width, height } = this.#element.getBoundingClientRect()
    const pixels = (length: number) => Math.min(65_535, Math.round(length * devicePixelRatio))
    // An element without size is not laid out yet. Nothing is held back for that.
    const size = width > 0 && height > 0 ? { width: pixels(width), height: pixels(height) } : {}
    return { ...size, visible: this.#inSight && document.visibilityState === 'visible' }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#resized.disconnect()
    this.#scrolled.disconnect()
    document.removeEventListener('visibilitychange', this.#tell)
  }

  #later(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#tell, SETTLED_MS)
  }

  readonly #tell = (): void => {
    const { view } = this
    const told = JSON.stringify(view)
    if (told === this.#told) return
    this.#told = told
    this.#changed(view)
  }
}
