/** What anybody wants of a stream: video by rendition, ascending by size. */
export interface EncoderDemand {
  readonly video: readonly boolean[]
  readonly audio: boolean
}

/** How an encoder and its input are. */
export interface EncoderState {
  /** `starting`: nothing came yet. `live`: pictures come. `no_input`: the camera is away, or delivers nothing of use. */
  readonly input: 'starting' | 'live' | 'no_input'
  /** Why there is no input, in words. */
  readonly reason: string | null
  /** GStreamer's element that encodes, or `pass-through`; null until one does. */
  readonly element: string | null
  /** Pictures a second that the input delivers; null until they were counted. */
  readonly fps: number | null
  /** How often the encoder process was replaced. */
  readonly restarts: number
}

/** Turns pictures and sound into MPEG-TS, and takes orders while it runs. */
export interface Encoder extends AsyncDisposable {
  /** How it goes; left out by encoders that can't say. */
  readonly state?: EncoderState
  /** Media of all renditions and sound together, kb/s. */
  setTarget(kbps: number): void
  /** Makes the next picture of a rendition, or of all, an IDR. Left out by encoders that can't. */
  requestKeyframe?(rendition: number | null): void
  /** Stops what is not wanted. What is wanted again begins with an IDR. */
  setDemand(demand: EncoderDemand): void
  /** The most time from one IDR to the next, ms: 100 to 60 000. Left out by encoders that can't. */
  setKeyframeInterval?(ms: number): void
  /** How much louder the sound is than its source, dB: -60 to 30. Left out by encoders that can't. */
  setGain?(db: number): void
  /** Replaces the encoder process. Left out by encoders that have none. */
  restart?(): void
}
