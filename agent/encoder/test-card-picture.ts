import { BLACK, boxOf, drawText, fillBox, type Plane, type TextLine, WHITE } from '../../common/dot-font.ts'
import { CLOCK_PLACE, drawBarcode, MARK_PLACE, markOf } from './card-barcode.ts'

/** 75 % colour bars, as Y, Cb, Cr (ITU-R BT.601). */
const BARS = [
  [180, 128, 128],
  [162, 44, 142],
  [131, 156, 44],
  [112, 72, 58],
  [84, 184, 198],
  [65, 100, 212],
  [35, 212, 114],
] as const

/** Chroma of grey. */
const GREY = 128

/** Steps of the zone plate's wave, and its movement from one picture to the next. */
const WAVE = 1024
const WAVE_STEP = 56

/**
 * A test card as I420, drawn pixel by pixel: colour bars, a zone plate that always moves (so that the encoder has
 * something to spend its bits on), a name, and the wall clock, for people and as barcodes for machines. The second
 * barcode tells machines the card and the number of the picture.
 */
export class TestCardPicture {
  /** One picture, I420. The next picture overwrites it. */
  readonly data: Buffer
  readonly #name: string
  readonly #luma: Plane
  readonly #wave = Uint8Array.from(
    { length: WAVE },
    (_, step) => 126 + 50 * Math.sin((step / WAVE) * 2 * Math.PI),
  )
  readonly #plate: Uint16Array
  readonly #plateTop: number
  #phase = 0
  #number = 0

  constructor({ name, width, height }: { name: string; width: number; height: number }) {
    this.#name = name
    this.data = Buffer.alloc((width * height * 3) / 2)
    this.#luma = { data: this.data.subarray(0, width * height), width, height }
    this.#drawBars()
    this.#plateTop = Math.round(height * 0.64)
    const rows = Math.round(height * 0.2)
    this.#plate = Uint16Array.from({ length: rows * width }, (_, index) => {
      const x = ((index % width) - width / 2) / width
      const y = (Math.floor(index / width) - rows / 2) / width
      return Math.floor((x * x + y * y) * 90 * WAVE) % WAVE
    })
  }

  /** Draws the picture of this moment, Unix ms. */
  draw(unixMs: number): void {
    const { width, height } = this.#luma
    const unit = height / 18
    this.#drawPlate()
    fillBox(this.#luma, 0, Math.round(unit * 2), width, Math.round(unit * 2), BARS[0][0])
    fillBox(
      this.#luma,
      Math.floor((unixMs * width) / 4000) % width,
      Math.round(unit * 2),
      8,
      Math.round(unit * 2),
      WHITE,
    )
    for (const line of this.#lines(unixMs)) drawText(this.#luma, line)
    drawBarcode(this.#luma, CLOCK_PLACE, unixMs % 2 ** 32)
    drawBarcode(this.#luma, MARK_PLACE, markOf(this.#name, this.#number))
    this.#number += 1
  }

  #lines(unixMs: number): readonly TextLine[] {
    const { width, height } = this.#luma
    const line = (text: string, y: number, size: number): TextLine => ({
      text,
      centre: width / 2,
      top: Math.round((y * height) / 18),
      dot: Math.max(1, Math.round((size * height) / 18)),
    })
    return [line(new Date(unixMs).toISOString().slice(11, 23), 6.2, 0.25), line(this.#name, 9.6, 0.14)]
  }

  #drawBars(): void {
    const { width, height } = this.#luma
    const chroma = (width * height) / 4
    const planes = [
      { data: this.#luma.data, width, height },
      {
        data: this.data.subarray(width * height, width * height + chroma),
        width: width / 2,
        height: height / 2,
      },
      { data: this.data.subarray(width * height + chroma), width: width / 2, height: height / 2 },
    ]
    planes.forEach((plane, component) => {
      BARS.forEach((bar, index) => {
        const from = Math.floor((index * plane.width) / BARS.length)
        const to = Math.floor(((index + 1) * plane.width) / BARS.length)
        fillBox(plane, from, 0, to - from, plane.height, bar[component]!)
      })
      // No colours where machines read, and where the plate moves.
      const from = Math.round(plane.height * 0.64)
      fillBox(plane, 0, from, plane.width, plane.height - from, component === 0 ? BLACK : GREY)
      for (const [x, y, w, h] of component === 0 ? [] : this.#lines(0).map(boxOf))
        fillBox(plane, Math.floor(x / 2), Math.floor(y / 2), Math.ceil(w / 2), Math.ceil(h / 2), GREY)
    })
  }

  #drawPlate(): void {
    const { data, width } = this.#luma
    const wave = this.#wave
    const plate = this.#plate
    const start = this.#plateTop * width
    this.#phase = (this.#phase + WAVE_STEP) % WAVE
    for (let index = 0; index < plate.length; index += 1)
      data[start + index] = wave[(plate[index]! + this.#phase) % WAVE]!
  }
}
