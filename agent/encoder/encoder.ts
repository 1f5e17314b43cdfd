/** What anybody wants of a stream: video by rendition, ascending by size. */
export interface EncoderDemand {
  readonly video: readonly boolean[]
  readonly audio: boolean
}

/** Turns pictures and sound into MPEG-TS, and takes orders while it runs. */
export interface Encoder extends AsyncDisposable {
  /** Media of all renditions and sound together, kb/s. */
  setTarget(kbps: number): void
  /** Makes the next picture of a rendition, or of all, an IDR. Left out by encoders that can't. */
  requestKeyframe?(rendition: number | null): void
  /** Stops what is not wanted. What is wanted again begins with an IDR. */
  setDemand(demand: EncoderDemand): void
}
