import { machineMs } from '../../common/clock.ts'
import type { InputLine } from './lane-line.ts'
import type { LaneMerge } from './merge/lane-merge.ts'
import type { RtpPacket } from './rtp-packet.ts'
import type { InputTrack, SwitchInput } from './switch-input.ts'
import type { SwitchedOutputs } from './switched-outputs.ts'

const SILENCE_EVERY_MS = 20

/** The sound of the lane: that of the picture, or of the input that holds it, or silence. */
export class LaneSound implements Disposable {
  readonly #outputs: SwitchedOutputs
  readonly #merges: LaneMerge
  #input: SwitchInput | null = null
  #silence: NodeJS.Timeout | undefined

  constructor(outputs: SwitchedOutputs, merges: LaneMerge) {
    this.#outputs = outputs
    this.#merges = merges
  }

  /**
   * The sound is this input's from now on, or silence.
   * @param goesOn the input's clock is the same as before: a sound that is on air already goes on undisturbed
   */
  follow(input: SwitchInput | null, goesOn: boolean): void {
    this.#input = input
    const { sound } = this.#merges
    if (input?.audio && goesOn && sound.isCopy(this.#merges.place(input))) return
    sound.end()
    this.#endSilence()
    if (!input?.audio)
      this.#silence = setInterval(() => this.#outputs.sendSilence(machineMs()), SILENCE_EVERY_MS)
  }

  /**
   * Takes a packet of an input's sound.
   * @param picture where the timestamps of the input's pictures lie, if the input is on air with them
   */
  take(track: InputTrack, packet: RtpPacket, picture: InputLine | null, nowMs: number): void {
    const output = this.#outputs.audio
    if (!output) return
    const { sound } = this.#merges
    const place = this.#merges.place(track.input)
    const { line } = this.#outputs
    const isFar = (lack: number): boolean => line.isSoundFar((packet.timestamp + lack) >>> 0, nowMs)
    if (sound.isCopy(place) && isFar(sound.lineOf(place))) sound.end()
    if (sound.copies === 0 && track.input === this.#input) {
      const own = track.input.clock && picture && !isFar(picture.audio) ? picture : null
      const { audio } = own ?? line.joinSound(packet.timestamp, nowMs)
      // What would go back in time is what the input before has said already.
      if (!output.track.isNew((packet.timestamp + audio) >>> 0)) return
      this.#endSilence()
      output.track.join(packet.sequence, audio)
      sound.begin(place, track, packet.timestamp, audio, nowMs)
    }
    const taken = sound.take(place, track, packet, nowMs)
    if (taken === 'kept') return
    if (taken === 'again') output.track.join(packet.sequence, sound.lineOf(place))
    if (!output.track.place(packet.sequence, packet.timestamp, true)) return
    this.#outputs.forward(output, packet, Number.NaN)
    line.soundLeft(output.track.timestamp, nowMs)
  }

  [Symbol.dispose](): void {
    this.#endSilence()
  }

  #endSilence(): void {
    clearInterval(this.#silence)
    this.#silence = undefined
  }
}
