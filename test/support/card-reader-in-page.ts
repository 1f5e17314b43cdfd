import type { Page } from 'playwright-core'

/** What machines read in one picture of a test card; null where there is no such barcode, or it is damaged. */
export interface ReadCard {
  /** Unix ms modulo 2^32 at which the picture was drawn. */
  readonly clock: number | null
  /** Which card, and the number of the picture: `markOf` of `agent/encoder/card-barcode.ts`. Null unless asked for. */
  readonly mark: number | null
}

/** In a page that has it: reads a picture. The picture stays open. */
export type CardReader = (picture: VideoFrame, withMark: boolean) => Promise<ReadCard>

/** Gives a page `globalThis.readCard`, a {@link CardReader}. */
export async function installCardReader(page: Page): Promise<void> {
  await page.evaluate(install)
}

/**
 * Runs in the page and must therefore stand on its own. Barcode in a picture of 1280 x 720: 42 cells of 28 pixels from
 * x = 52; white, black, 32 bits (most significant first, white is 1), 8 bits of checksum (XOR of the four bytes). One
 * line in the middle of the cells is read.
 */
function install(): void {
  const CELLS = 42
  const CELL_WIDTH = 28
  const [CLOCK_LINE, MARK_LINE] = [668, 626]

  /** The 32 bits in a row of luma, or null. */
  const decode = (luma: Uint8Array, cellWidth: number): number | null => {
    const level = (cell: number) => luma[Math.floor((cell + 0.5) * cellWidth)] ?? 0
    if (level(0) - level(1) < 60) return null
    const threshold = (level(0) + level(1)) / 2
    let value = 0
    let checksum = 0
    for (let cell = 2; cell < 34; cell++) value = value * 2 + (level(cell) > threshold ? 1 : 0)
    for (let cell = 34; cell < CELLS; cell++) checksum = checksum * 2 + (level(cell) > threshold ? 1 : 0)
    const expected = (value >>> 24) ^ ((value >>> 16) & 255) ^ ((value >>> 8) & 255) ^ (value & 255)
    return expected === checksum ? value : null
  }

  /**
   * Copies one row of luma out of the decoder's own picture: 30 times cheaper than drawing it to a canvas, which
   * converts the whole picture to RGB. Edges are even, as subsampled pictures demand.
   */
  const readLine = async (picture: VideoFrame, line: number): Promise<number | null> => {
    const visible = picture.visibleRect
    if (visible === null || picture.format === null || !/^(I4|NV12)/.test(picture.format)) return null
    const [scaleX, scaleY] = [visible.width / 1280, visible.height / 720]
    const even = (value: number) => Math.round(value / 2) * 2
    const rect = {
      x: even(visible.x + 52 * scaleX),
      y: even(visible.y + line * scaleY),
      width: even(CELL_WIDTH * CELLS * scaleX),
      height: 2,
    }
    const pixels = new Uint8Array(picture.allocationSize({ rect }))
    await picture.copyTo(pixels, { rect })
    return decode(pixels.subarray(0, rect.width), CELL_WIDTH * scaleX)
  }

  const readCard: CardReader = async (picture, withMark) => ({
    clock: await readLine(picture, CLOCK_LINE),
    mark: withMark ? await readLine(picture, MARK_LINE) : null,
  })
  Object.assign(globalThis, { readCard })
}
