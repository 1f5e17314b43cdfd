import { machineMs } from '../../common/clock.ts'
import type { RelayPosition, RelayTrack } from '../../common/wire/relay-ipc.ts'
import { isRtcp, readFeedback, writeKeyframeRequest } from '../lane/rtcp-feedback.ts'
import { RtpSocket } from '../lane/rtp-socket.ts'
import { SenderReportCopy } from '../lane/sender-report.ts'
import { RelayedTrack } from './relayed-track.ts'

const SSRC_AT = 8

/**
 * The work of a relay process: the RTP of a worker's publishers comes in, and goes back to the worker as the RTP of their
 * lanes. Keyframe requests of a lane go to its publisher. One socket serves all of them.
 */
export class RelaySession implements Disposable {
  readonly #socket: RtpSocket
  readonly #byInput = new Map<number, RelayedTrack>()
  readonly #byLane = new Map<number, RelayedTrack>()
  readonly #report = new SenderReportCopy()
  #incoming: Buffer = Buffer.alloc(0)

  private constructor(socket: RtpSocket) {
    this.#socket = socket
  }

  /** @throws Error such as `bind EADDRINUSE 127.0.0.1:5004` */
  static async open(rtpPort: number): Promise<RelaySession> {
    const socket = await RtpSocket.open(rtpPort, (packet) => session.#onPacket(packet))
    const session: RelaySession = new RelaySession(socket)
    return session
  }

  /** Sends to, and hears, another transport from now on. */
  async connect(target: { ip: string; port: number }): Promise<void> {
    await this.#socket.connect(target)
    this.#askForKeyframes(this.#byInput.values())
  }

  /** From now on each track's lane gets the RTP of this input alone. */
  feed(tracks: readonly RelayTrack[]): void {
    const fed = tracks.map((track) => {
      const before = this.#byLane.get(track.ssrc)
      if (before) this.#byInput.delete(before.from)
      const relayed = new RelayedTrack({ ...track, position: before?.position ?? track.position })
      this.#byLane.set(track.ssrc, relayed)
      this.#byInput.set(track.from, relayed)
      return relayed
    })
    this.#askForKeyframes(fed)
  }

  /** Forgets these SSRCs of lanes. */
  drop(ssrcs: readonly number[]): void {
    for (const ssrc of ssrcs) {
      const track = this.#byLane.get(ssrc)
      if (!track) continue
      this.#byLane.delete(ssrc)
      this.#byInput.delete(track.from)
    }
  }

  /** Positions of the tracks that sent a packet since the last call. */
  positions(): RelayPosition[] {
    return Array.from(this.#byLane.values()).flatMap((track) => track.takePosition() ?? [])
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  readonly #feedback = {
    nack: (): void => {},
    keyframe: (ssrc: number): void => {
      const track = this.#byLane.get(ssrc)
      if (track) this.#askForKeyframes([track])
    },
    senderReport: (ssrc: number, at: number): void => {
      const track = this.#byInput.get(ssrc)
      const timestamp = track?.laneTimestamp(this.#incoming.readUInt32BE(at + 16))
      if (track && timestamp != null)
        this.#socket.send(this.#report.of(this.#incoming, at, track.ssrc, timestamp))
    },
  }

  #onPacket(packet: Buffer): void {
    if (isRtcp(packet)) {
      this.#incoming = packet
      readFeedback(packet, this.#feedback)
    } else if (packet.length > SSRC_AT + 4) {
      const track = this.#byInput.get(packet.readUInt32BE(SSRC_AT))
      if (track?.restamp(packet, machineMs())) this.#socket.send(packet)
    }
  }

  #askForKeyframes(tracks: Iterable<RelayedTrack>): void {
    for (const { isVideo, ssrc, from } of tracks)
      if (isVideo) this.#socket.send(writeKeyframeRequest(ssrc, from))
  }
}
