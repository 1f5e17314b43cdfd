import type { Page } from 'playwright-core'
import { nameBits } from '../../agent/encoder/card-barcode.ts'
import { type CardReader, installCardReader } from './card-reader-in-page.ts'

/** One picture of a test card, as its mark tells. */
export interface MarkedPicture {
  /** The card's name; null for a picture without a mark, such as a slate. */
  readonly input: string | null
  /** Modulo 2^16; null without a mark. */
  readonly number: number | null
  /** Lines. */
  readonly height: number
}

/** A picture that was on the screen. */
export interface ShownPicture extends MarkedPicture {
  /** Unix ms at which the browser expected it to be visible. */
  readonly at: number
  /** Unix ms modulo 2^32 at which it was drawn. */
  readonly clock: number | null
  /** `performance.now()` at which its last packet came; null where the browser does not tell. */
  readonly receivedAt: number | null
}

/** What a page saw since the last look, oldest first. */
export interface SeenPictures {
  readonly shown: readonly ShownPicture[]
  /** Every picture that was decoded. A busy browser leaves out some of them on its way to the screen. */
  readonly decoded: readonly MarkedPicture[]
}

/** Reads which input's pictures a page's `<video>` shows, and decodes. */
export interface InputWatch extends AsyncDisposable {
  /** Everything since the start or the last `take`; the watch goes on. */
  take(): Promise<SeenPictures>
}

interface RawPicture {
  readonly mark: number | null
  readonly height: number
}
interface RawSeen {
  shown: (RawPicture & Omit<ShownPicture, keyof MarkedPicture>)[]
  decoded: RawPicture[]
}

/**
 * Starts to read the first element that matches `selector`, which must have its track.
 * @param names of the cards that may come. Another card's pictures get the name `unknown`.
 */
export async function watchInputs(
  page: Page,
  names: readonly string[],
  selector = 'video',
): Promise<InputWatch> {
  const byBits = new Map(names.map((name) => [nameBits(name), name]))
  if (byBits.size !== names.length) throw new Error(`two of these names look alike: ${names.join(', ')}`)
  const marked = ({ mark, height }: RawPicture): MarkedPicture =>
    mark === null
      ? { input: null, number: null, height }
      : { input: byBits.get(Math.floor(mark / 0x10000)) ?? 'unknown', number: mark % 0x10000, height }
  await installCardReader(page)
  const handle = await page.evaluateHandle(watchInPage, selector)
  return {
    async take() {
      const raw: RawSeen = await handle.evaluate((watch) => watch.take())
      return {
        shown: raw.shown.map((picture) => {
          const { at, clock, receivedAt } = picture
          return { at, clock, receivedAt, ...marked(picture) }
        }),
        decoded: raw.decoded.map(marked),
      }
    },
    async [Symbol.asyncDispose]() {
      // The page may be gone already, and the watch with it.
      await handle.evaluate((watch) => watch.stop()).catch(() => {})
      await handle.dispose().catch(() => {})
    },
  }
}

/** In the page. */
function watchInPage(selector: string) {
  /** Decoded pictures that wait to be read. */
  const WAITING = 60
  interface Processor {
    readonly readable: ReadableStream<VideoFrame>
  }
  const { readCard, MediaStreamTrackProcessor } = globalThis as unknown as {
    readCard: CardReader
    MediaStreamTrackProcessor: new (options: { track: MediaStreamTrack; maxBufferSize: number }) => Processor
  }
  const video = document.querySelector<HTMLVideoElement>(selector)
  const stream = video?.srcObject
  if (!video || !(stream instanceof MediaStream)) throw new Error(`${selector} plays no stream`)
  let shown: RawSeen['shown'] = []
  let decoded: RawSeen['decoded'] = []
  let stopped = false
  let reading: Promise<unknown> = Promise.resolve()

  const note = async (picture: VideoFrame, metadata: VideoFrameCallbackMetadata) => {
    const card = await readCard(picture, true)
    picture.close()
    shown.push({
      ...card,
      at: performance.timeOrigin + metadata.expectedDisplayTime,
      receivedAt: metadata.receiveTime ?? null,
      height: metadata.height,
    })
  }
  const onPicture = (_now: number, metadata: VideoFrameCallbackMetadata) => {
    if (stopped) return
    video.requestVideoFrameCallback(onPicture)
    const picture = new VideoFrame(video)
    reading = reading.then(() => note(picture, metadata))
  }
  video.requestVideoFrameCallback(onPicture)

  // The track may be exchanged. Each has a reader of its own, until it ends.
  const readAll = async (track: MediaStreamTrack): Promise<void> => {
    const pictures = new MediaStreamTrackProcessor({ track, maxBufferSize: WAITING }).readable.getReader()
    while (!stopped) {
      const { value, done } = await pictures.read()
      if (done) return
      const { mark } = await readCard(value, true)
      decoded.push({ mark, height: value.visibleRect?.height ?? 0 })
      value.close()
    }
    await pictures.cancel()
  }
  for (const track of stream.getVideoTracks()) void readAll(track)

  return {
    take: async (): Promise<RawSeen> => {
      await reading
      const taken = { shown, decoded }
      shown = []
      decoded = []
      return taken
    },
    stop: () => {
      stopped = true
    },
  }
}
