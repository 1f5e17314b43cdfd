import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import { ROUTER_CODECS } from './router-codecs.ts'
import type { WorkerSlot } from './worker-pool.ts'

/** Most sets of payload types on one worker: browsers have a handful, and each set costs each stream a pipe. */
const MAX_PER_WORKER = 24
/** An unused router is kept for this long, ms: the next client of its kind often comes soon. */
const IDLE_MS = 15_000

/** The use of a router. Disposing of the lease gives the router back. */
export interface RouterLease extends Disposable {
  readonly router: types.Router
}

interface Entry {
  readonly router: Promise<types.Router>
  users: number
  idle: NodeJS.Timeout | undefined
}

/**
 * Routers by the payload types with which they send. A router has one payload type for each codec, and clients that
 * offer (WHEP) demand their own. Clients with the same payload types share a router beside the worker's main router,
 * and streams are piped to it.
 */
export class PayloadRouters implements Disposable {
  readonly #entries = new Map<types.Worker, Map<string, Entry>>()
  readonly #maxPerWorker: number
  readonly #idleMs: number

  constructor({ maxPerWorker = MAX_PER_WORKER, idleMs = IDLE_MS } = {}) {
    this.#maxPerWorker = maxPerWorker
    this.#idleMs = idleMs
  }

  /** Number of routers now. */
  get size(): number {
    return Array.from(this.#entries.values()).reduce((sum, ofWorker) => sum + ofWorker.size, 0)
  }

  /**
   * A router on the slot's worker that sends just these codecs, with their payload types.
   * @throws CodedError `saturated` (503) when clients with other payload types use the most that may exist
   */
  async take(
    { worker }: WorkerSlot,
    codecs: readonly types.RouterRtpCodecCapability[],
  ): Promise<RouterLease> {
    const key = codecs
      .map(({ mimeType, preferredPayloadType }) => `${mimeType}:${preferredPayloadType}`)
      .sort()
      .join(' ')
    const ofWorker = this.#ofWorker(worker)
    const entry = ofWorker.get(key) ?? this.#open(worker, ofWorker, key, codecs)
    entry.users += 1
    clearTimeout(entry.idle)
    let given = false
    const give = () => {
      if (given) return
      given = true
      entry.users -= 1
      if (entry.users === 0)
        entry.idle = setTimeout(() => this.#close(ofWorker, key, entry), this.#idleMs).unref()
    }
    try {
      return { router: await entry.router, [Symbol.dispose]: give }
    } catch (error) {
      give()
      throw error
    }
  }

  [Symbol.dispose](): void {
    for (const ofWorker of this.#entries.values())
      for (const [key, entry] of ofWorker) this.#close(ofWorker, key, entry)
  }

  #ofWorker(worker: types.Worker): Map<string, Entry> {
    const known = this.#entries.get(worker)
    if (known) return known
    const ofWorker = new Map<string, Entry>()
    this.#entries.set(worker, ofWorker)
    worker.observer.once('close', () => this.#entries.delete(worker))
    return ofWorker
  }

  #open(
    worker: types.Worker,
    ofWorker: Map<string, Entry>,
    key: string,
    codecs: readonly types.RouterRtpCodecCapability[],
  ): Entry {
    if (ofWorker.size >= this.#maxPerWorker) {
      const [unused] = Array.from(ofWorker).filter(([, { users }]) => users === 0)
      if (!unused)
        throw new CodedError('saturated', 'clients with too many different payload types are watching', {
          details: [`at most ${this.#maxPerWorker} sets of payload types are served at once`],
        })
      this.#close(ofWorker, ...unused)
    }
    const entry: Entry = {
      router: worker.createRouter({ mediaCodecs: mediaCodecsOf(codecs) }),
      users: 0,
      idle: undefined,
    }
    ofWorker.set(key, entry)
    entry.router.catch(() => {
      if (ofWorker.get(key) === entry) ofWorker.delete(key)
    })
    return entry
  }

  #close(ofWorker: Map<string, Entry>, key: string, entry: Entry): void {
    clearTimeout(entry.idle)
    if (ofWorker.get(key) === entry) ofWorker.delete(key)
    entry.router.then(
      (router) => router.close(),
      () => {},
    )
  }
}

/**
 * Streams are piped as a whole, so a codec of the other kind needs a payload type as well: any free one. mediasoup also
 * takes one for the retransmissions of each video codec, among those that nobody named before, so sound goes first.
 */
function mediaCodecsOf(codecs: readonly types.RouterRtpCodecCapability[]): types.RouterRtpCodecCapability[] {
  const ofKind = (kind: types.MediaKind) => codecs.filter((codec) => codec.kind === kind)
  const rest = ROUTER_CODECS.filter(({ kind }) => ofKind(kind).length === 0)
  return [...ofKind('audio'), ...ofKind('video'), ...rest]
}
