import { machineMs, SYSTEM_CLOCK } from '../../common/clock.ts'
import { messageOf } from '../../common/errors.ts'
import type { Attach } from '../../common/wire/lane-ipc.ts'
import type { HubToSwitch, SwitchToHub } from '../../common/wire/switch-ipc.ts'
import type { SwitchRules } from '../../common/wire/switched-inputs.ts'
import { RtpSocket } from '../lane/rtp-socket.ts'
import type { InputLine } from './lane-line.ts'
import { LaneRoutes } from './lane-routes.ts'
import { LaneSound } from './lane-sound.ts'
import { LaneMerge, type LaneMergeSink, SOUND } from './merge/lane-merge.ts'
import { OnAirChoice } from './on-air-choice.ts'
import { RtpPacket } from './rtp-packet.ts'
import { SlatePlayer } from './slate-player.ts'
import { type InputTrack, SwitchInput } from './switch-input.ts'
import { SwitchedOutputs } from './switched-outputs.ts'
import { Takes } from './takes.ts'

type Message<Type> = Extract<HubToSwitch, { type: Type }>

/** How often the hub gets the positions, ms; also this process's sign of life. */
const CURSORS_EVERY_MS = 100
const REPORTS_EVERY_MS = 1000
/** An input that sends is heard within this, ms. */
const INPUTS_HEARD_MS = 1000
/** An input whose clock is set again and again begins anew at most this often, ms. */
const BEGIN_AGAIN_MS = 1000

/**
 * The work of a switch process: the RTP of the inputs comes in, and one of them goes out as the RTP of the lane. The
 * decision what is on air is {@link OnAirChoice}'s; this class moves packets.
 */
export class SwitchSession implements Disposable {
  readonly #tell: (message: SwitchToHub) => void
  readonly #socket: RtpSocket
  readonly #outputs: SwitchedOutputs
  readonly #routes = new LaneRoutes()
  readonly #merges: LaneMerge
  readonly #sound: LaneSound
  readonly #choice: OnAirChoice
  readonly #takes: Takes
  readonly #slate: SlatePlayer
  readonly #packet = new RtpPacket()
  readonly #timers: NodeJS.Timeout[]
  #inputs: readonly SwitchInput[] = []
  #rules: SwitchRules
  /** Where the timestamps of the input on air lie on the lane; null before its first packet. */
  #line: InputLine | null = null
  #merged = ''
  /** The sound stays with this input, whatever the picture does. */
  #soundHeld: string | null = null
  #resumesSlate: boolean
  /** When the input on air last began anew because its clock was set; NaN before. */
  #begunAgainMs = Number.NaN
  #look: NodeJS.Timeout | undefined

  private constructor(socket: RtpSocket, start: Message<'start'>, tell: (message: SwitchToHub) => void) {
    this.#socket = socket
    this.#tell = tell
    this.#rules = start.rules
    this.#resumesSlate = start.slate
    this.#outputs = new SwitchedOutputs((packet) => this.#socket.send(packet))
    this.#slate = new SlatePlayer(this.#outputs, (work) => this.#socket.together(work))
    this.#merges = new LaneMerge(start.merge_within_ms, {
      leaves: this.#leaveMerged,
      changed: () => this.#onMerged(),
      refused: ({ id }) => tell({ type: 'merge_refused', inputs: [this.#choice.onAir ?? id, id] }),
    })
    this.#sound = new LaneSound(this.#outputs, this.#merges)
    this.#choice = new OnAirChoice(start, machineMs())
    this.#takes = new Takes(tell)
    this.#timers = [
      setTimeout(() => this.#hearEarly(true), INPUTS_HEARD_MS),
      setInterval(() => this.#onCursors(), CURSORS_EVERY_MS),
      setInterval(() => this.#outputs.senderReports(SYSTEM_CLOCK.wall(), machineMs()), REPORTS_EVERY_MS),
    ]
  }

  /** @throws Error such as `bind EADDRINUSE 127.0.0.1:5004` */
  static async open(start: Message<'start'>, tell: (message: SwitchToHub) => void): Promise<SwitchSession> {
    const socket = await RtpSocket.open(start.rtp_port, (packet) =>
      session.#outputs.feedback(packet, (rendition) => session.#onKeyframeWanted(rendition)),
    )
    const session: SwitchSession = new SwitchSession(socket, start, tell)
    return session
  }

  /** Sends to this lane from now on. */
  async attach({ target, type, ...attachment }: Attach): Promise<void> {
    this.#outputs.attach(attachment)
    this.#routes.resize(attachment.video.length)
    this.#merges.resize(attachment.video.length)
    await this.#socket.connect(target)
    const { input } = this.#routes
    // A rebuilt lane shows nothing before a keyframe.
    this.#routes.clear()
    this.#merges.end()
    this.#line = null
    if (input) this.#routes.aim(input, machineMs())
    this.#decide()
    this.#askForKeyframes()
    if (this.#slate.plays) this.#slate.play()
    else if (this.#resumesSlate && this.#choice.wanted === null) this.#startSlate()
    this.#resumesSlate = false
  }

  setRules(rules: SwitchRules): void {
    this.#rules = rules
    if (rules.audio === 'follow' && this.#soundHeld !== null) {
      this.#soundHeld = null
      this.#followSound(false)
    }
    this.#decide()
  }

  async setInputs({ inputs }: Message<'inputs'>): Promise<void> {
    const kept = new Map(this.#inputs.map((input) => [input.id, input]))
    const next: SwitchInput[] = []
    for (const { id, rtp_port } of inputs) {
      const known = kept.get(id)
      if (known?.port === rtp_port) {
        kept.delete(id)
        next.push(known)
        continue
      }
      try {
        next.push(await SwitchInput.open(id, rtp_port, this.#packet, this.#onPacket))
      } catch (error) {
        this.#tell({ type: 'input_port_taken', id, message: messageOf(error) })
      }
    }
    this.#inputs = next
    for (const gone of kept.values()) {
      if (this.#routes.input === gone) this.#routes.clear()
      this.#merges.remove(gone)
      gone[Symbol.dispose]()
    }
    this.#decide()
  }

  async feed(feed: Message<'feed'>): Promise<void> {
    const input = this.#inputs.find(({ id }) => id === feed.id)
    if (!input) return
    await input.feed(feed)
    this.#merges.tracksChanged(input)
    if (this.#routes.input === input) this.#routes.aim(input, machineMs())
    this.#askForKeyframes()
    this.#decide()
  }

  take(take: Message<'take'>): void {
    const { request, input: id, audio, at_ms } = take
    const input = this.#inputs.find((each) => each.id === id)
    if (!input) return this.#takes.refuse(request, 'input_not_found', `the lane has no input ${id}`)
    if (this.#choice.stateOf(id) !== 'healthy') {
      // A process that has just begun has not heard its inputs yet.
      if (this.#takes.holds(take)) return
      return this.#takes.refuse(request, 'input_not_live', `${id} sends no media that can be shown now`)
    }
    const before = this.#soundHeld
    const due = (): void => {
      if (!this.#choice.take(id)) return this.#takes.failed(id)
      if (audio !== undefined) this.#soundHeld = audio
      this.#decide()
      if (this.#choice.onAir !== id || !this.#routes.begun) return
      this.#followSound(false)
      this.#takes.done(id, { at_unix_ms: SYSTEM_CLOCK.wall(), capture_unix_ms: null })
    }
    this.#takes.add({ request, input: id, audio, atMs: at_ms }, machineMs(), due, () => {
      this.#choice.giveUp()
      this.#soundHeld = before
      this.#decide()
    })
  }

  /** An armed input has its keyframe asked for beforehand: its sender is then ready to send what is missing. */
  preview(id: string | null): void {
    const input = this.#inputs.find((each) => each.id === id)
    const now = machineMs()
    for (const track of input?.video ?? []) input?.askForKeyframe(track, now)
  }

  addSlate(slate: Message<'slate'>): void {
    this.#slate.add(slate)
  }

  /** A picture of an input was captured at this time: tells the same of the lane, if the input is on air. */
  captured({ id, rendition, rtp_timestamp, capture_unix_ms, source }: Message<'captured'>): void {
    const { input, begun } = this.#routes
    const layer = rendition === null ? null : (input?.layerOf(rendition) ?? -1)
    if (input?.id !== id || !begun || !this.#line || layer === -1) return
    const timestamp = (rtp_timestamp + this.#line.video) >>> 0
    this.#tell({ type: 'captured', rendition: layer, rtp_timestamp: timestamp, capture_unix_ms, source })
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#slate[Symbol.dispose]()
    this.#sound[Symbol.dispose]()
    clearTimeout(this.#look)
    this.#takes[Symbol.dispose]()
    this.#merges[Symbol.dispose]()
    for (const input of this.#inputs) input[Symbol.dispose]()
    this.#socket[Symbol.dispose]()
  }

  readonly #onPacket = (track: InputTrack, packet: RtpPacket): void => {
    const now = machineMs()
    const { input, spec } = track
    const began = input.note(track, packet, now)
    if (began && this.#choice.heals(input)) this.#decide()
    if (!this.#outputs.attached) return
    if (spec.kind === 'audio')
      this.#sound.take(track, packet, input === this.#routes.input ? this.#line : null, now)
    else this.#forwardPicture(track, packet, now)
    this.#merges.arm()
  }

  #forwardPicture(track: InputTrack, packet: RtpPacket, now: number): void {
    const keyframe = packet.beginsKeyframe
    if (keyframe) track.askedMs = Number.NaN
    if (keyframe && track.input.rises(track)) this.#refit(track.input)
    const place = this.#merges.place(track.input)
    for (const [index, output] of this.#outputs.video.entries()) {
      if (track.input.videoFor(index) !== track) continue
      const merge = this.#merges.video(index)
      const begins = this.#routes.begins(index, track, keyframe)
      if (begins && !merge.isCopy(place)) this.#begin(index, track, packet, now)
      if (merge.isCopy(place) && this.#outputs.line.isFar(packet.timestamp + merge.lineOf(place), now)) {
        if (merge.copies > 1) merge.part(place, now)
        else this.#beginAgain(now)
        continue
      }
      const taken = merge.take(place, track, packet, now)
      if (taken === 'kept') continue
      if (taken === 'again') output.track.join(packet.sequence, merge.lineOf(place))
      if (!output.track.place(packet.sequence, packet.timestamp, packet.marker)) continue
      this.#outputs.forward(output, packet, packet.captureUnixMs(track.spec.capture_time_id))
      this.#outputs.line.leftRtp(output.track.timestamp, now)
    }
  }

  /** From this packet on, an output shows the track. The first output that changes carries the sound along. */
  #begin(index: number, track: InputTrack, packet: RtpPacket, now: number): void {
    const { input } = track
    const changes = this.#choice.begins(input.id)
    const anew = changes || !this.#line
    if (anew) this.#line = this.#outputs.line.join(packet.timestamp, now, input.clock)
    const video = this.#outputs.begin(index, packet, this.#line!.video)
    this.#merges.video(index).begin(this.#merges.place(input), track, packet.timestamp, video, now)
    if (anew) this.#followSound(false)
    this.#begun(input, changes, packet.captureUnixMs(track.spec.capture_time_id))
  }

  /** The clock of the input on air was set: it begins anew at its next keyframes, where the lane is by then. */
  #beginAgain(nowMs: number): void {
    if (nowMs - this.#begunAgainMs < BEGIN_AGAIN_MS) return
    this.#begunAgainMs = nowMs
    this.#line = null
    this.#routes.beginAgain()
    for (const index of this.#outputs.video.keys()) this.#merges.video(index).end()
    this.#askForKeyframes()
  }

  /** An input whose pictures leave already, as copies, goes on air without a keyframe. */
  #adopt(input: SwitchInput): void {
    const place = this.#merges.place(input)
    const now = machineMs()
    const outputs = this.#outputs.video.flatMap((_, index) =>
      this.#merges.video(index).isCopy(place) && this.#routes.adopt(index) ? [index] : [],
    )
    const [first] = outputs
    const track = first === undefined ? null : input.videoFor(first)
    if (first === undefined || !track) return
    const video = this.#merges.video(first).lineOf(place)
    this.#line = this.#outputs.line.along(video, track.timestamp, now, input.clock)
    const changes = this.#choice.begins(input.id)
    if (changes) this.#followSound(true)
    this.#begun(input, changes, Number.NaN)
  }

  /** @param changes false for an input that a predecessor had on air: it may have died before it answered a take of it */
  #begun(input: SwitchInput, changes: boolean, capturedMs: number): void {
    const captured = Number.isNaN(capturedMs) ? null : capturedMs
    const times = { at_unix_ms: SYSTEM_CLOCK.wall(), capture_unix_ms: captured }
    if (changes) this.#slate.stop()
    if (changes) this.#tellOnAir(times)
    this.#takes.done(input.id, times)
  }

  readonly #leaveMerged: LaneMergeSink['leaves'] = (index, packet, timestamp, captureTimeId, hole) => {
    const output = index === SOUND ? this.#outputs.audio : this.#outputs.video[index]
    if (!output) return
    if (hole) output.track.skip()
    output.track.append(timestamp, packet.marker || index === SOUND)
    this.#outputs.forward(output, packet, packet.captureUnixMs(captureTimeId))
    if (index === SOUND) return this.#outputs.line.soundLeft(timestamp, machineMs())
    this.#outputs.line.leftRtp(timestamp, machineMs())
    // What all copies lack is missing in every picture up to the next keyframe.
    if (hole && !packet.beginsKeyframe) this.#onKeyframeWanted(index)
  }

  #onMerged(): void {
    const { input } = this.#routes
    if (input && this.#routes.waits) this.#adopt(input)
    const inputs = this.#merges.merged.map(({ id }) => id)
    if (inputs.join() === this.#merged) return
    this.#merged = inputs.join()
    this.#tell({ type: 'merged', inputs })
  }

  /** @param merged whether the pictures go on undisturbed: then so does a merged sound */
  #followSound(merged: boolean): void {
    const id = this.#soundHeld ?? this.#choice.onAir
    if (this.#rules.audio === 'hold' && this.#soundHeld === null) this.#soundHeld = id
    const input = this.#inputs.find((each) => each.id === id) ?? null
    this.#sound.follow(input, merged || input !== this.#routes.input)
  }

  /** Asks the choice, and begins what it says. */
  #decide(): void {
    const now = machineMs()
    const { changed, states, lookAgainAtMs } = this.#choice.step(this.#inputs, this.#rules, now)
    if (states) {
      this.#tell({ type: 'inputs', inputs: states })
      for (const { id, state } of states) if (state !== 'healthy') this.#takes.failed(id)
      this.#hearEarly(false)
    }
    if (changed) {
      const input = this.#inputs.find(({ id }) => id === this.#choice.wanted)
      if (input) {
        this.#routes.aim(input, now)
        this.#adopt(input)
      } else this.#startSlate()
      this.#askForKeyframes()
    }
    clearTimeout(this.#look)
    if (lookAgainAtMs !== null)
      this.#look = setTimeout(() => this.#decide(), Math.max(lookAgainAtMs - now, 1)).unref()
  }

  /** Takes that came too early are heard as soon as their inputs are; at last they are refused. */
  #hearEarly(last: boolean): void {
    const isHeard = (id: string) => last || this.#choice.stateOf(id) === 'healthy'
    for (const take of this.#takes.release(isHeard, last)) this.take(take)
  }

  #askForKeyframes(): void {
    const now = machineMs()
    for (const track of this.#routes.awaited()) track.input.askForKeyframe(track, now)
  }

  /** A viewer needs a keyframe of a rendition. The slate's next picture is one. */
  #onKeyframeWanted(rendition: number): void {
    this.#merges.askForKeyframe(rendition, machineMs())
  }

  /** Other renditions of an input feed the lane, if the input does. */
  #refit(input: SwitchInput): void {
    if (this.#routes.input === input) this.#routes.refit()
    this.#merges.tracksChanged(input)
    this.#askForKeyframes()
  }

  #startSlate(): void {
    this.#routes.clear()
    this.#merges.end()
    this.#line = null
    if (!this.#choice.begins(null) && this.#slate.plays) return
    this.#followSound(false)
    this.#tellOnAir({ at_unix_ms: SYSTEM_CLOCK.wall(), capture_unix_ms: null })
    this.#slate.start()
  }

  #tellOnAir(times: { at_unix_ms: number; capture_unix_ms: number | null }): void {
    const { onAir, cause, reason, taken } = this.#choice
    const audio = this.#soundHeld ?? onAir
    this.#tell({ type: 'on_air', input: onAir, audio, cause, reason, taken, ...times })
  }

  #onCursors(): void {
    this.#tell({ type: 'cursors', ...this.#outputs.cursors() })
    const now = machineMs()
    for (const output of this.#routes.letGo(now)) this.#merges.video(output).end()
    const { input, waits } = this.#routes
    if (input?.sinks(now)) this.#refit(input)
    // The input on air may carry something else by now, while its copies go on. Then it begins anew.
    if (input && !waits && this.#merges.hasLostItself(input, now)) {
      this.#line = null
      this.#routes.beginAgain()
    }
    if (input && this.#routes.isLate(now) && this.#choice.awaits(input)) {
      this.#startSlate()
      this.#routes.aim(input, now)
    }
    this.#askForKeyframes()
  }
}
