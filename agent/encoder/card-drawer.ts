import { pause } from '../../common/retry.ts'
import { TestCardPicture } from './test-card-picture.ts'

export interface CardOptions {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly fps: number
}

/** GStreamer's caps of a card's pictures. */
export function cardCaps({ width, height, fps }: CardOptions): string {
  return `video/x-raw, format=(string)I420, width=(int)${width}, height=(int)${height}, framerate=(fraction)${fps}/1`
}

/**
 * Draws a test card until the signal aborts, each picture when its time has come. After a stall it goes on with the present
 * picture.
 * @param take a picture, valid during the call, and its time, Unix ms
 */
export async function drawCard(
  card: CardOptions,
  take: (picture: Buffer, unixMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { fps } = card
  const picture = new TestCardPicture(card)
  const startedAt = performance.now()
  let drawnMs = 0
  for (let frame = 0; !signal.aborted; ) {
    const unixMs = Math.max(Date.now(), drawnMs + 1)
    drawnMs = unixMs
    picture.draw(unixMs)
    take(picture.data, unixMs)
    frame = Math.max(frame + 1, Math.floor(((performance.now() - startedAt) * fps) / 1000))
    await pause(Math.max(0, startedAt + (frame * 1000) / fps - performance.now()), signal).catch(() => {})
  }
}
