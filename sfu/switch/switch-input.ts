import type { LaneClockState } from '../../common/wire/lane-ipc.ts'
import type { HubToSwitch, InputTrackSpec } from '../../common/wire/switch-ipc.ts'
import type { InputSeen } from '../../policy/inputs/input-health.ts'
import { isRtcp, writeKeyframeRequest } from '../lane/rtcp-feedback.ts'
import { RtpSocket } from '../lane/rtp-socket.ts'
import { PictureChange } from './picture-change.ts'
import type { RtpPacket } from './rtp-packet.ts'

type Feed = Extract<HubToSwitch, { type: 'feed' }>

/** A keyframe is asked for again when it did not come within this, ms: the request or the keyframe was lost. */
const ASK_AGAIN_MS = 300
/** The usual pause between pictures is learnt from pauses up to this, ms. */
const LONGEST_GAP_MS = 2000

/** A rendition flows that came within this, and has stopped when nothing came for that long, ms. */
const FLOWS_MS = 500
const STOPPED_MS = 1000

/** A rendition or the sound of an input. */
export interface InputTrack {
  readonly input: SwitchInput
  readonly spec: InputTrackSpec
  /** When its last packet came, by `machineMs`; NaN before the first. */
  cameMs: number
  /** When a keyframe was last asked for; NaN while none is awaited. */
  askedMs: number
  /** The timestamp of the last packet, to tell pictures apart. */
  timestamp: number
}

/** One input inside the switch process: its socket, its tracks, and what their packets show of its health. */
export class SwitchInput implements Disposable {
  readonly id: string
  readonly port: number
  readonly #socket: RtpSocket
  readonly #tracks = new Map<number, InputTrack>()
  #video: readonly InputTrack[] = []
  #audio: InputTrack | null = null
  #outputs = 0
  /** How many renditions lie below the one that feeds the lane's lowest output. */
  #raised = 0
  #refused: string | null = null
  #present = false
  #clock: LaneClockState | null = null
  #mediaMs: number | null = null
  #soundMs: number | null = null
  #gapMs = 0
  readonly #change = new PictureChange()

  private constructor(id: string, port: number, socket: RtpSocket) {
    this.id = id
    this.port = port
    this.#socket = socket
  }

  /**
   * @param heard gets each RTP packet, which is valid only during the call
   * @throws Error such as `bind EADDRINUSE 127.0.0.1:5004`
   */
  static async open(
    id: string,
    port: number,
    packet: RtpPacket,
    heard: (track: InputTrack, packet: RtpPacket) => void,
  ): Promise<SwitchInput> {
    const socket = await RtpSocket.open(port, (bytes) => {
      if (isRtcp(bytes) || !packet.read(bytes)) return
      const track = input.#tracks.get(packet.ssrc)
      if (track) heard(track, packet)
    })
    const input: SwitchInput = new SwitchInput(id, port, socket)
    return input
  }

  /** Other media comes from now on, or none. */
  async feed({ target, tracks, clock, refused }: Feed): Promise<void> {
    this.#refused = refused
    this.#present = target !== null || refused !== null
    this.#clock = clock
    for (const ssrc of this.#tracks.keys())
      if (!tracks.some((each) => each.ssrc === ssrc)) this.#tracks.delete(ssrc)
    for (const spec of tracks)
      if (!this.#tracks.has(spec.ssrc))
        this.#tracks.set(spec.ssrc, {
          input: this,
          spec,
          cameMs: Number.NaN,
          askedMs: Number.NaN,
          timestamp: -1,
        })
    const all = [...this.#tracks.values()]
    this.#video = all
      .filter(({ spec }) => spec.kind === 'video')
      .sort((one, other) => one.spec.rendition - other.spec.rendition)
    this.#audio = all.find(({ spec }) => spec.kind === 'audio') ?? null
    this.#raised = Math.min(this.#raised, this.#surplus)
    if (this.#video.length === 0) this.#mediaMs = null
    if (target) await this.#socket.connect(target)
    else this.#socket.disconnect()
  }

  /** Ascending by size. */
  get video(): readonly InputTrack[] {
    return this.#video
  }

  /** What feeds an output of the lane: the largest rendition also feeds the outputs above it. */
  videoFor(output: number): InputTrack | null {
    return this.#video[Math.min(output + this.#raised, this.#video.length - 1)] ?? null
  }

  /**
   * Feeds a lane of so many outputs from now on. Of more renditions the largest ones feed the lane, if they flow: an input
   * that was not on air sends its smallest alone.
   */
  fit(outputs: number, nowMs: number): void {
    this.#outputs = outputs
    this.#raised = nowMs - (this.#largest?.cameMs ?? Number.NaN) < FLOWS_MS ? this.#surplus : 0
  }

  /** Whether a keyframe of this track is that of the largest rendition, which feeds the lane from now on. */
  rises(track: InputTrack): boolean {
    if (this.#raised === this.#surplus || track !== this.#largest) return false
    this.#raised = this.#surplus
    return true
  }

  /** Whether the largest rendition has stopped, while the smallest flows and feeds the lane from now on. */
  sinks(nowMs: number): boolean {
    if (this.#raised === 0 || nowMs - this.#largest!.cameMs < STOPPED_MS) return false
    if (!(nowMs - this.#video[0]!.cameMs < FLOWS_MS)) return false
    this.#raised = 0
    return true
  }

  /** The lane's layer that this rendition feeds; -1 where it feeds none. */
  layerOf(rendition: number): number {
    return Math.max(rendition - this.#raised, -1)
  }

  get #largest(): InputTrack | undefined {
    return this.#video.at(-1)
  }

  /** Renditions beyond those of the lane. */
  get #surplus(): number {
    return this.#outputs === 0 ? 0 : Math.max(this.#video.length - this.#outputs, 0)
  }

  get audio(): InputTrack | null {
    return this.#audio
  }

  /** The clock of the input's own lane. */
  get clock(): LaneClockState | null {
    return this.#clock
  }

  /** What the packets showed so far. */
  get seen(): InputSeen {
    return {
      present: this.#present,
      refused: this.#refused,
      soundOnly: this.#audio !== null && this.#video.length === 0,
      mediaMs: this.#mediaMs,
      soundMs: this.#soundMs,
      changedMs: this.#change.changedMs,
      gapMs: this.#gapMs,
    }
  }

  /**
   * A packet of one of the tracks came.
   * @returns true where it begins a picture
   */
  note(track: InputTrack, packet: RtpPacket, nowMs: number): boolean {
    const { kind } = track.spec
    track.cameMs = nowMs
    const begins = packet.timestamp !== track.timestamp
    track.timestamp = packet.timestamp
    if (kind === 'audio') {
      this.#soundMs = nowMs
      // Nobody can watch sound.
      return false
    }
    if (track === this.#video[0]) this.#change.note(packet, begins, nowMs)
    if (begins && this.#mediaMs !== null) {
      const gap = Math.min(nowMs - this.#mediaMs, LONGEST_GAP_MS)
      this.#gapMs += (gap - this.#gapMs) / 16
    }
    if (begins) this.#mediaMs = nowMs
    return begins
  }

  /** Asks for a keyframe of a rendition, unless one is awaited. */
  askForKeyframe(track: InputTrack, nowMs: number): void {
    if (nowMs - track.askedMs < ASK_AGAIN_MS) return
    track.askedMs = nowMs
    this.#socket.send(writeKeyframeRequest(track.spec.ssrc, track.spec.ssrc))
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}
