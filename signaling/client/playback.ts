/** What a `<video>` showed: one decoded frame that reached the screen. */
export interface ShownFrame {
  /** When the frame is expected to be visible, in ms of `performance.now()`. */
  readonly displayTime: number
  /** The frame's RTP timestamp; null where the browser does not tell. */
  readonly rtpTimestamp: number | null
  /** When the last packet of it came, in ms of `performance.now()`; null where the browser does not tell. */
  readonly receivedAt: number | null
}

/**
 * Firefox shows the last picture of a video track that was removed for ever, and nothing of the one that took its place:
 * it looks for one only when the element is given its stream. That blanks the element for a few ms, which other browsers
 * can do without.
 */
const KEEPS_REMOVED_TRACKS = /\bFirefox\//.test(globalThis.navigator?.userAgent ?? '')

/**
 * The bridge between consumed tracks and one `<video>` element. The element keeps one MediaStream for life and
 * tracks are exchanged inside it, which leaves the last picture standing until the next track has one.
 */
export class Playback {
  readonly #video: HTMLVideoElement
  readonly #onFrame: (frame: ShownFrame) => void
  readonly #stream = new MediaStream()
  #frameCallback: number | null = null

  /** `onFrame` is called for every frame shown, where the browser tells (`requestVideoFrameCallback`). */
  constructor(video: HTMLVideoElement, onFrame: (frame: ShownFrame) => void) {
    this.#video = video
    this.#onFrame = onFrame
    this.#watchFrames()
  }

  /**
   * Puts `track` in the place of the track of its kind: at once if there is none, else as soon as `track`
   * delivers. `onPresented` is called when it is in place.
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
    // An element given a stream without tracks goes to an error state: so only now.
    if (this.#video.srcObject !== this.#stream) this.#video.srcObject = this.#stream
    // Refused when the browser wants a click first: the page's sound button gives it.
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
