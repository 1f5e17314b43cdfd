import { randomInt } from 'node:crypto'
import {
  DtlsClient,
  keyLength,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  type RTCCertificate,
  SrtcpSession,
  saltLength,
  type Transport,
} from 'werift'
import { UdpSocket } from '../../../common/net/udp-socket.ts'
import { bindingRequest, bindingResponse, isBindingRequest } from '../../support/stun-binding.ts'
import type { ArrivalJitter } from './arrival-jitter.ts'
import { noteArrivals } from './datagram-reader.ts'
import type { SrtpProfile, ViewerOrder } from './fanout-protocol.ts'
import { TransportFeedback } from './transport-feedback.ts'

/** What a viewer offers, the wanted one first. */
const OFFERED = [ProtectionProfileAeadAes128Gcm, ProtectionProfileAes128CmHmacSha1_80] as const
const NAMES: Readonly<Record<(typeof OFFERED)[number], SrtpProfile>> = {
  [ProtectionProfileAeadAes128Gcm]: 'AEAD_AES_128_GCM',
  [ProtectionProfileAes128CmHmacSha1_80]: 'AES128_CM_HMAC_SHA1_80',
}
const RECEIVE_BUFFER_BYTES = 1024 * 1024
/** How often Chromium reports at this bitrate: as often as it ever does. */
const FEEDBACK_MS = 50
/** mediasoup drops a viewer that does not ask for consent within 30 s. */
const CONSENT_MS = 5000

/**
 * The least WebRTC viewer that makes a worker do all its work: ICE, a real DTLS-SRTP handshake, and
 * transport-wide feedback where it was negotiated. Packets are counted, not decrypted.
 */
export class BenchViewer implements Disposable {
  /** RTP packets so far. */
  received = 0
  /** Packets of the video that are missing between those that came. */
  lost = 0
  readonly #socket: UdpSocket
  readonly #order: ViewerOrder
  readonly #jitter: ArrivalJitter | null
  readonly #timers: NodeJS.Timeout[] = []
  #crypto: SrtpProfile | null = null
  #lastSequence: number | null = null
  #feedback: TransportFeedback | null = null
  #onDtls: ((datagram: Buffer) => void) | null = null

  /** @param jitter gets the arrivals of its video, where they are to be noted */
  constructor(order: ViewerOrder, jitter: ArrivalJitter | null) {
    // A server on this machine has its own address for its viewers, too: loopback, or the one that it offers.
    this.#socket = UdpSocket.open(order.ip, 0, { receive: RECEIVE_BUFFER_BYTES })
    this.#socket.connect(order.ip, order.port)
    this.#order = order
    this.#jitter = jitter
    if (jitter) noteArrivals(this.#socket.descriptor)
  }

  /** Whoever opens it gives {@link receive} what arrives there. */
  get descriptor(): number {
    return this.#socket.descriptor
  }

  /** Resolves when the handshake is done. */
  async watch(certificate: RTCCertificate): Promise<void> {
    this.#ask()
    this.#timers.push(setInterval(() => this.#ask(), CONSENT_MS))
    const srtcp = await this.#handshake(certificate)
    if (this.#order.feedback) this.#giveFeedback(srtcp, this.#order.ssrc)
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#socket[Symbol.dispose]()
  }

  /** What the handshake agreed on. */
  get crypto(): SrtpProfile {
    if (!this.#crypto) throw new Error('no SRTP was negotiated')
    return this.#crypto
  }

  #ask(): void {
    this.#socket.send(bindingRequest(this.#order.ice))
  }

  async #handshake({ certPem, privateKey, signatureHash }: RTCCertificate): Promise<SrtcpSession> {
    const transport: Transport = {
      type: 'bench',
      address: { address: this.#order.ip, family: 'IPv4', port: this.#order.port },
      closed: false,
      onData: () => {},
      send: async (bytes: Buffer) => void this.#socket.send(bytes),
      close: async () => {},
    }
    this.#onDtls = (datagram) => transport.onData(datagram, [this.#order.ip, this.#order.port])
    const dtls = new DtlsClient({
      transport,
      cert: certPem,
      key: privateKey,
      signatureHash,
      srtpProfiles: [...OFFERED],
      extendedMasterSecret: true,
    })
    const connected = new Promise<void>((resolve, reject) => {
      dtls.onConnect.once(() => resolve())
      dtls.onError.once(reject)
    })
    dtls.connect().catch(() => {})
    await connected
    const profile = OFFERED.find((offered) => offered === dtls.srtp.srtpProfile)
    if (profile === undefined) throw new Error('no SRTP was negotiated')
    this.#crypto = NAMES[profile]
    const { localKey, localSalt, remoteKey, remoteSalt } = dtls.extractSessionKeys(
      keyLength(profile),
      saltLength(profile),
    )
    return new SrtcpSession({
      keys: {
        localMasterKey: localKey,
        localMasterSalt: localSalt,
        remoteMasterKey: remoteKey,
        remoteMasterSalt: remoteSalt,
      },
      profile,
    })
  }

  #giveFeedback(srtcp: SrtcpSession, mediaSsrc: number): void {
    const feedback = new TransportFeedback(randomInt(1, 2 ** 32 - 1), mediaSsrc)
    this.#feedback = feedback
    this.#timers.push(
      setInterval(() => {
        const report = feedback.report()
        if (report) this.#socket.send(srtcp.encrypt(report))
      }, FEEDBACK_MS),
    )
  }

  /** RTP, RTCP, DTLS and STUN on one port are told apart by their first bytes (RFC 7983, RFC 5761). */
  receive(datagram: Buffer, arrivedMs: number | null): void {
    const first = datagram[0]!
    // What DTLS is given, it keeps.
    if (first >= 20 && first <= 63) return this.#onDtls?.(Buffer.from(datagram))
    if (isBindingRequest(datagram)) {
      const { ip, port } = this.#order
      return void this.#socket.send(bindingResponse(datagram, { address: ip, port }))
    }
    if (first < 128 || first > 191) return
    const type = datagram[1]!
    if (type >= 192 && type <= 223) return
    this.received += 1
    if (datagram.readUInt32BE(8) === this.#order.ssrc) {
      this.#noteLoss(datagram.readUInt16BE(2))
      if (arrivedMs !== null) this.#jitter?.arrived(datagram, arrivedMs)
    }
    if (this.#feedback) this.#noteExtensions(datagram, this.#feedback)
  }

  /** Loopback changes no order, and nothing is asked for again: a gap is a loss. */
  #noteLoss(sequence: number): void {
    if (this.#lastSequence !== null) this.lost += (sequence - this.#lastSequence - 1) & 0xffff
    this.#lastSequence = sequence
  }

  /** The transport-wide sequence number and the time of sending, out of one-byte header extensions (RFC 8285 section 4.2). */
  #noteExtensions(packet: Buffer, feedback: TransportFeedback): void {
    const { sequenceId, sendTimeId } = this.#order.feedback!
    const end = 16 + 4 * packet.readUInt16BE(14)
    let [sequence, sendTime] = [-1, -1]
    for (let at = 16; at < end; ) {
      const byte = packet[at]!
      if (byte === 0) {
        at += 1
        continue
      }
      if (byte >> 4 === sequenceId) sequence = packet.readUInt16BE(at + 1)
      else if (byte >> 4 === sendTimeId) sendTime = packet.readUIntBE(at + 1, 3)
      at += 2 + (byte & 0x0f)
    }
    if (sequence >= 0 && sendTime >= 0) feedback.received(sequence, sendTime)
  }
}
