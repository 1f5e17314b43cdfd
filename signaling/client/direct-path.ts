import { directAnswer, directAskAnswer } from '../../common/wire/direct.ts'

/** What a direct way needs of its owner. */
export interface DirectOwner {
  /** Requests to the hub about the present contract: `direct-ask`, `direct-offer`, `direct-leave`. */
  ask(): Promise<unknown>
  offer(sdp: string): Promise<unknown>
  leave(): void
  /** Pictures come: show this from now on. */
  running(path: DirectPath): void
  /** Nothing comes any more, or the way was closed: show what the hub sends. */
  over(reason: string): void
}

/** Pictures that must have been decoded before they are shown. */
const PICTURES = 2
/** How often to look at what comes, ms, and how long nothing may come. */
const LOOK_EVERY_MS = 100
const SILENT_MS = 500
/** The sender answers, and ICE finds a way, within this time, ms. */
const WITHIN_MS = 12_000
/** Candidates of this machine's own interfaces are known soon, ms. */
const GATHER_MS = 1500

/**
 * One attempt to get a stream from its sender itself, on the network that viewer and sender share (mode `lan-direct`):
 * from the question whether that is possible until the way is lost. The hub's media goes on meanwhile, and is there again
 * at once.
 */
export class DirectPath {
  readonly #owner: DirectOwner
  /** Made once the hub has said that it is worthwhile. */
  #peer: RTCPeerConnection | null = null
  readonly #tracks: MediaStreamTrack[] = []
  #ssrcs: { video: number | null; audio: number | null } = { video: null, audio: null }
  #aheadMs = 0
  #timer: ReturnType<typeof setInterval> | undefined
  #decoded = 0
  #decodedAt = 0
  #isRunning = false
  #isOver = false

  constructor(owner: DirectOwner) {
    this.#owner = owner
  }

  get tracks(): readonly MediaStreamTrack[] {
    return this.#tracks
  }

  /** The sender's clock minus the hub's, ms. */
  get aheadMs(): number {
    return this.#aheadMs
  }

  has(kind: 'audio' | 'video'): boolean {
    return this.#ssrcs[kind] !== null
  }

  ssrc(kind: 'audio' | 'video'): number | null {
    return this.#ssrcs[kind]
  }

  /** The sender makes an IDR when it hears of lost pictures (RTCP): no consumer of the hub is asked. */
  consumerId(): null {
    return null
  }

  async getStats(): Promise<RTCStatsReport> {
    if (!this.#peer) throw new Error('there is no direct way')
    return this.#peer.getStats()
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Tries. @returns why there is no direct way; null while one is being made */
  async open(): Promise<string | null> {
    try {
      const { possible, reason } = directAskAnswer.parse(await this.#owner.ask())
      if (!possible || this.#isOver) return this.#give(reason)
      const peer = new RTCPeerConnection({ iceServers: [] })
      this.#peer = peer
      const sdp = await this.#describe(peer)
      if (this.#isOver) return 'it was closed'
      const answer = directAnswer.parse(await this.#owner.offer(sdp))
      if (this.#isOver) return 'it was closed'
      this.#aheadMs = answer.ahead_ms
      await peer.setRemoteDescription({ type: 'answer', sdp: apart(answer.sdp) })
      this.#decodedAt = performance.now() + WITHIN_MS - SILENT_MS
      this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS)
      return null
    } catch (error) {
      return this.#give(error instanceof Error ? error.message : String(error))
    }
  }

  close(reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isRunning = false
    clearInterval(this.#timer)
    this.#peer?.close()
    this.#owner.leave()
    this.#owner.over(reason)
  }

  #give(reason: string): string {
    this.#isOver = true
    this.#peer?.close()
    return reason
  }

  /** An offer with all candidates. */
  async #describe(peer: RTCPeerConnection): Promise<string> {
    for (const kind of ['video', 'audio'] as const) {
      const { receiver } = peer.addTransceiver(kind, { direction: 'recvonly' })
      // A network of one hop needs no buffer against jitter.
      Object.assign(receiver, { jitterBufferTarget: 0, playoutDelayHint: 0 })
      this.#tracks.push(receiver.track)
    }
    await peer.setLocalDescription()
    await this.#gathered(peer)
    return peer.localDescription?.sdp ?? ''
  }

  #gathered(peer: RTCPeerConnection): Promise<void> {
    if (peer.iceGatheringState === 'complete') return Promise.resolve()
    return new Promise((resolve) => {
      const late = setTimeout(resolve, GATHER_MS)
      peer.addEventListener('icegatheringstatechange', () => {
        if (peer.iceGatheringState !== 'complete') return
        clearTimeout(late)
        resolve()
      })
    })
  }

  async #look(): Promise<void> {
    const peer = this.#peer
    if (!peer) return
    const { connectionState } = peer
    if (connectionState === 'failed' || connectionState === 'closed')
      return this.close('the direct way is lost')
    const report = await peer.getStats().catch(() => null)
    if (this.#isOver || !report) return
    const now = performance.now()
    for (const entry of report.values()) {
      if (entry.type !== 'inbound-rtp') continue
      if (entry.kind === 'video' || entry.packetsReceived > 0)
        this.#ssrcs = { ...this.#ssrcs, [entry.kind]: entry.ssrc }
      if (entry.kind === 'video' && entry.framesDecoded > this.#decoded) {
        this.#decoded = entry.framesDecoded
        this.#decodedAt = now
      }
    }
    if (!this.#isRunning && this.#decoded >= PICTURES) {
      this.#isRunning = true
      this.#owner.running(this)
    }
    if (now - this.#decodedAt > SILENT_MS) this.close('nothing came by the direct way')
  }
}

/**
 * Puts picture and sound into streams of their own (RFC 8830): browsers hold pictures back until the sound of the same
 * stream is due, and sound waits longer.
 */
const apart = (sdp: string): string =>
  sdp.replace(
    /^a=mid:(\S+)\r?$/gm,
    (line, mid: string) => `${line.trimEnd()}\r\na=msid:direct-${mid} direct-${mid}\r`,
  )
