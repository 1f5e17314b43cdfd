/** What a `<video>` showed: one decoded frame that reached the screen. */
export interface ShownFrame {
  /** When the frame is expected to be visible, in ms of `performance.now()`. */
  readonly displayTime: number
  /** The frame's RTP timestamp; null where the browser does not tell. */
  readonly rtpTimestamp: number | null
  /** When the last packet of the frame came, in ms of `performance.now()`; null where the browser does not tell. */
  readonly receivedAt: number | null
}

/**
 * Firefox keeps showing the last picture of a removed video track, and nothing of the track in its place: it looks for
 * a track only when the element gets its stream. Setting the stream again blanks the element for a few ms, which other
 * browsers can do without.
 */
const KEEPS_REMOVED_TRACKS = /\bFirefox\//.test(globalThis.navigator?.userAgent ?? '')

/**
 * The bridge between consumed tracks and one `<video>` element. The element keeps one MediaStream for life. Tracks are
 * exchanged inside that stream, so that the last picture stays until the next track has a picture.
 */
export class Playback {
  readonly #video: HTMLVideoElement
  readonly #onFrame: (frame: ShownFrame) => void
  readonly #stream = new MediaStream()
  #frameCallback: number | null = null

  /** @param onFrame called for every frame shown, where the browser tells (`requestVideoFrameCallback`) */
  constructor(video: HTMLVideoElement, onFrame: (frame: ShownFrame) => void) {
    this.#video = video
    this.#onFrame = onFrame
    this.#watchFrames()
  }

  /**
   * Replaces the track of the same kind by `track`: at once if there is none, else as soon as `track` delivers.
   * `onPresented` is called when `track` is in place.
   */
  present(track: MediaStreamTrack, onPresented: () => void): void {
    const current = this.#stream.getTracks().some((old) => old.kind === track.kind)
    if (!current || !track.muted) {
      this.#exchange(track)
      onPresented()
      return
    }
    const exchange = () => {
      this.#exchange(track)
      onPresented()
    }
    track.addEventListener('unmute', exchange, { once: true })
  }

  close(): void {
    if (this.#frameCallback !== null) this.#video.cancelVideoFrameCallback(this.#frameCallback)
    this.#video.srcObject = null
  }

  #exchange(track: MediaStreamTrack): void {
    // A track of a session that was given up meanwhile would bring back a dead picture.
    if (track.readyState === 'ended') return
    const olds = this.#stream.getTracks().filter((old) => old.kind === track.kind && old !== track)
    this.#stream.addTrack(track)
    for (const old of olds) this.#stream.removeTrack(old)
    if (olds.some(({ kind }) => kind === 'video') && KEEPS_REMOVED_TRACKS) this.#video.srcObject = null
    // Set only now: an element with a stream without tracks goes to an error state.
    if (this.#video.srcObject !== this.#stream) this.#video.srcObject = this.#stream
    // Rejected when the browser wants a click first, which the page's sound button brings.
    this.#video.play().catch(() => {})
  }

  #watchFrames(): void {
    if (!('requestVideoFrameCallback' in this.#video)) return
    this.#frameCallback = this.#video.requestVideoFrameCallback((_now, metadata) => {
      this.#watchFrames()
      this.#onFrame({
        displayTime: metadata.expectedDisplayTime,
        rtpTimestamp: metadata.rtpTimestamp ?? null,
        receivedAt: metadata.receiveTime ?? null,
      })
    })
  }
}
