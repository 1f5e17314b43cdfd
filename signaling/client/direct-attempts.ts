import type { ContractSession } from './contract-session.ts'
import { DirectPath } from './direct-path.ts'

/** What a viewer does about direct ways. */
export interface DirectListener {
  /** Show what comes by this way; null: what the hub sends. */
  shows(session: ContractSession, path: DirectPath | null, reason: string): void
}

/** The first try, after pictures have come by the hub for so long, ms: joins come first. */
const SETTLED_MS = 1000
/** Tries after a way that was lost or not found, ms. */
const AGAIN_MS = [3_000, 15_000, 60_000, 300_000] as const

/**
 * Tries direct ways for one viewer: some time after its pictures come by the hub, and again when a way was lost. What the
 * hub calls impossible is asked again as seldom as what failed.
 */
export class DirectAttempts {
  readonly #listener: DirectListener
  #session: ContractSession | null = null
  #path: DirectPath | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0

  constructor(listener: DirectListener) {
    this.#listener = listener
  }

  /** The direct way by which media comes now. */
  get running(): DirectPath | null {
    return this.#path?.isRunning ? this.#path : null
  }

  get isRunning(): boolean {
    return this.running !== null
  }

  /** Pictures of the session come by the hub. */
  delivered(session: ContractSession): void {
    if (session === this.#session || !('RTCPeerConnection' in globalThis)) return
    this.close('another session')
    this.#session = session
    this.#failures = 0
    this.#wait(SETTLED_MS)
  }

  /** The machine may be on another network. */
  retry(): void {
    if (this.#session === null || this.#path !== null) return
    this.#failures = 0
    this.#wait(SETTLED_MS)
  }

  close(reason: string): void {
    clearTimeout(this.#timer)
    this.#session = null
    const path = this.#path
    this.#path = null
    path?.close(reason)
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#try(), ms)
  }

  async #try(): Promise<void> {
    const session = this.#session
    const hub = session?.hub ?? null
    if (session === null || hub === null || session.stream?.state !== 'live') return this.#again()
    const about = { contract_id: session.contractId }
    const path = new DirectPath({
      ask: () => hub.request('direct-ask', about),
      offer: (sdp) => hub.request('direct-offer', { ...about, sdp }),
      leave: () => void hub.request('direct-leave', about).catch(() => {}),
      running: (running) => {
        this.#failures = 0
        this.#listener.shows(session, running, 'pictures come from the sender itself')
      },
      over: (reason) => {
        this.#listener.shows(session, null, reason)
        if (this.#path !== path) return
        this.#path = null
        this.#again()
      },
    })
    this.#path = path
    const hindrance = await path.open()
    if (hindrance === null || this.#path !== path) return
    this.#path = null
    this.#again()
  }

  #again(): void {
    if (this.#session === null) return
    this.#wait(AGAIN_MS[Math.min(this.#failures, AGAIN_MS.length - 1)]!)
    this.#failures += 1
  }
}
