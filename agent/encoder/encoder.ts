/** What of a stream anybody wants: video by rendition, ascending by size. */
export interface EncoderDemand {
  readonly video: readonly boolean[]
  readonly audio: boolean
}

/** Turns pictures and sound into MPEG-TS, and may be told what to make of them while it runs. */
export interface Encoder extends AsyncDisposable {
  /** Media of all renditions and sound together, kb/s. */
  setTarget(kbps: number): void
  /** The next picture of a rendition, or of all, is to be an IDR. Left out where that can't be asked for. */
  requestKeyframe?(rendition: number | null): void
  /** Stops what is not wanted; what is wanted again begins with an IDR. */
  setDemand(demand: EncoderDemand): void
}
