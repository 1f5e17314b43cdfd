import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { types } from 'mediasoup'
import { ProtectionProfileAeadAes128Gcm, SrtcpSession, SrtpSession } from 'werift'
import type { DtlsClients, DtlsHandshake } from './dtls-client.ts'
import { bindingRequest } from './stun-binding.ts'
import { until } from './until.ts'

/** AEAD_AES_128_GCM (RFC 7714 section 12): lengths of a master key and a salt, bytes. */
const KEY_BYTES = 16
const SALT_BYTES = 12
const ASK_AGAIN_MS = 100
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** mediasoup probes the bandwidth by packets of this SSRC, to all viewers of a worker with one row of numbers. */
const PROBATION_SSRC = 1234
/** Generic NACK (RFC 4585 section 6.2.1). */
const RTPFB = 205
const GENERIC_NACK = 1

/** An RTP packet as it was before encryption. */
export interface RecordedPacket {
  readonly ssrc: number
  readonly sequence: number
  readonly payload: Buffer
}

/** A WebRTC viewer by ICE, DTLS and AES-GCM that decrypts each packet of a consumer and keeps it, in order of arrival. */
export class RecordingViewer implements AsyncDisposable {
  readonly packets: RecordedPacket[] = []
  readonly transport: types.WebRtcTransport
  readonly #socket: Socket
  readonly #dtls: DtlsClients
  readonly #asking: NodeJS.Timeout
  #handshake: DtlsHandshake | null = null
  #srtp: SrtpSession | null = null
  #srtcp: SrtcpSession | null = null

  private constructor(transport: types.WebRtcTransport, socket: Socket, dtls: DtlsClients) {
    this.transport = transport
    this.#socket = socket
    this.#dtls = dtls
    socket.on('message', (datagram) => this.#receive(datagram))
    // The worker may be gone before its viewers are.
    socket.on('error', () => {})
    const ask = () => socket.send(bindingRequest(transport.iceParameters))
    ask()
    this.#asking = setInterval(ask, ASK_AGAIN_MS)
  }

  /** @param from the address from which the viewer connects */
  static async connect(
    transport: types.WebRtcTransport,
    dtls: DtlsClients,
    from = '127.0.0.1',
  ): Promise<RecordingViewer> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES }).bind(0, from)
    await once(socket, 'listening')
    const [candidate] = transport.iceCandidates
    socket.connect(candidate!.port, candidate!.ip)
    await once(socket, 'connect')
    const viewer = new RecordingViewer(transport, socket, dtls)
    const fingerprints: types.DtlsFingerprint[] = [{ algorithm: 'sha-256', value: dtls.fingerprint }]
    await transport.connect({ dtlsParameters: { role: 'client', fingerprints } })
    await until(() => transport.dtlsState === 'connected' && viewer.#srtp !== null, 'the viewer is connected')
    clearInterval(viewer.#asking)
    return viewer
  }

  /** Asks for these packets again. */
  nack(mediaSsrc: number, sequences: readonly number[]): void {
    const bytes = Buffer.alloc(12 + 4 * sequences.length)
    bytes.writeUInt16BE(((0x80 | GENERIC_NACK) << 8) | RTPFB, 0)
    bytes.writeUInt16BE(bytes.length / 4 - 1, 2)
    bytes.writeUInt32BE(1, 4)
    bytes.writeUInt32BE(mediaSsrc, 8)
    for (const [index, sequence] of sequences.entries()) bytes.writeUInt16BE(sequence, 12 + 4 * index)
    this.#socket.send(this.#srtcp!.encrypt(bytes))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#asking)
    this.#handshake?.[Symbol.dispose]()
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  /** RTP, RTCP, DTLS and STUN are told apart by their first bytes (RFC 7983, RFC 5761). */
  #receive(datagram: Buffer): void {
    const first = datagram[0]!
    if (first < 4) {
      this.#handshake ??= this.#dtls.connect((flight) => this.#socket.send(flight))
    } else if (first >= 20 && first <= 63) {
      this.#handshake?.receive(datagram)
      if (this.#handshake?.done && this.#srtp === null) this.#useKeys(this.#handshake)
    } else if (first >= 128 && first <= 191 && !isRtcp(datagram) && this.#srtp !== null) {
      this.#record(datagram, this.#srtp)
    }
  }

  #record(datagram: Buffer, srtp: SrtpSession): void {
    if (datagram.readUInt32BE(8) === PROBATION_SSRC) return
    const plain = srtp.decrypt(datagram)
    this.packets.push({
      ssrc: plain.readUInt32BE(8),
      sequence: plain.readUInt16BE(2),
      payload: plain.subarray(headerBytes(plain)),
    })
  }

  #useKeys(handshake: DtlsHandshake): void {
    const all = handshake.srtpKeys(2 * (KEY_BYTES + SALT_BYTES))
    const salts = all.subarray(2 * KEY_BYTES)
    const keys = {
      localMasterKey: all.subarray(0, KEY_BYTES),
      remoteMasterKey: all.subarray(KEY_BYTES, 2 * KEY_BYTES),
      localMasterSalt: salts.subarray(0, SALT_BYTES),
      remoteMasterSalt: salts.subarray(SALT_BYTES),
    }
    this.#srtp = new SrtpSession({ keys, profile: ProtectionProfileAeadAes128Gcm })
    this.#srtcp = new SrtcpSession({ keys, profile: ProtectionProfileAeadAes128Gcm })
  }
}

const isRtcp = (datagram: Buffer): boolean => datagram[1]! >= 192 && datagram[1]! <= 223

/** Of an RTP packet with its extensions (RFC 3550 section 5.1; there are no contributing sources here). */
const headerBytes = (packet: Buffer): number =>
  (packet[0]! & 0x10) === 0 ? 12 : 16 + 4 * packet.readUInt16BE(14)
