import { freshLink, type LinkState, linkStep } from '../../../policy/link/link-state.ts'
import type { LinkAction, LinkFact, LinkSeen, LinkStream } from '../../../policy/link/link-terms.ts'
import type { LayerStep } from '../../../policy/viewed-stream.ts'
import type { Seeded } from '../seeded.ts'

/** The world moves in steps of this length, ms. */
const TICK_MS = 20
const AUDIO_KBPS = 75
/** A queue in front of a link drops what would wait for longer, ms. */
const QUEUE_MS = 1_000
const NEVER = Number.POSITIVE_INFINITY

export interface SimulatedStream {
  readonly id: string
  readonly steps: readonly (LayerStep & { readonly kbps: number })[]
  readonly floorKbps: number
  readonly ceilingKbps: number
  readonly priority: number
}

/** What one step of the machine was about, for who checks it. */
export interface Taken {
  readonly before: LinkState
  readonly fact: LinkFact
  readonly seen: LinkSeen
  readonly state: LinkState
  readonly actions: readonly LinkAction[]
}

interface Picture {
  readonly stream: SimulatedStream
  /** Index of the step that is sent; null while the picture is paused. */
  sent: number | null
  taken: number | null
  /** When a keyframe of the step that was taken comes, ms. */
  keyframeAt: number
  /** Nothing is sent before, ms. */
  heldUntil: number
}

/**
 * A viewer on a link that carries so much and has a queue in front: as far as the worker's estimate, the page's word and
 * the pictures go, in a world of its own time.
 */
export class SimulatedLink {
  readonly #random: Seeded
  readonly #watched: boolean
  readonly #check: (taken: Taken) => void
  readonly #pictures: Picture[]
  #now = 0
  #state = freshLink(1000)
  #carriesKbps: number
  #queueKbit = 0
  /** The worker's estimate and its bounds, kb/s. */
  #estimate = 1000
  #min = 0
  #max = 1000
  #ceiling = 1000
  #probe: { readonly at: number; readonly kbps: number } | null = null
  #overSince = NEVER
  #lookAt = NEVER
  #tellAt = NEVER
  #told = Number.NEGATIVE_INFINITY

  /** @param watched whether the viewer's page watches the link and tells of queues */
  constructor(
    random: Seeded,
    streams: readonly SimulatedStream[],
    carriesKbps: number,
    watched: boolean,
    check: (taken: Taken) => void,
  ) {
    this.#random = random
    this.#watched = watched
    this.#check = check
    this.#carriesKbps = carriesKbps
    this.#pictures = streams.map((stream) => ({
      stream,
      sent: 0,
      taken: 0,
      keyframeAt: NEVER,
      heldUntil: 0,
    }))
    this.#tell({ kind: 'changed' })
  }

  get queueMs(): number {
    return (this.#queueKbit / this.#carriesKbps) * 1000
  }

  /** Which step of each stream is sent. */
  get sent(): ReadonlyMap<string, number | null> {
    return new Map(this.#pictures.map(({ stream, sent }) => [stream.id, sent]))
  }

  carries(kbps: number): void {
    this.#carriesKbps = kbps
  }

  runFor(ms: number): void {
    for (const until = this.#now + ms; this.#now < until; ) this.#tick()
  }

  #tick(): void {
    this.#now += TICK_MS
    const now = this.#now
    this.#send()
    this.#estimateAnew()
    if (now % 1000 === 0) this.#tell({ kind: 'changed' })
    if (this.#watched && now % 5000 === 0) this.#tell({ kind: 'heard' })
    if (now % 200 === 0)
      this.#tell({ kind: 'estimated', availableKbps: this.#estimate, limitKbps: this.#ceiling })
    if (now >= this.#lookAt) {
      this.#lookAt = NEVER
      this.#tell({ kind: 'changed' })
    }
    this.#watchQueue()
  }

  #send(): void {
    for (const picture of this.#pictures) {
      if (this.#now < picture.keyframeAt) continue
      picture.keyframeAt = NEVER
      picture.sent = picture.taken
    }
    const overKbps = this.#sentKbps() - this.#carriesKbps
    this.#queueKbit = Math.min(
      (this.#carriesKbps * QUEUE_MS) / 1000,
      Math.max(0, this.#queueKbit + (overKbps * TICK_MS) / 1000),
    )
  }

  #sentKbps(): number {
    const pictures = this.#pictures.reduce(
      (sum, { stream, sent, heldUntil }) =>
        sum + (sent === null || this.#now < heldUntil ? 0 : stream.steps[sent]!.kbps),
      0,
    )
    return pictures + AUDIO_KBPS
  }

  /** A probe finds a little less than there is; a queue that lasts takes the estimate down; else it grows slowly. */
  #estimateAnew(): void {
    const found = this.#carriesKbps * (0.85 + 0.1 * this.#random.next())
    if (this.#probe && this.#now >= this.#probe.at) {
      this.#estimate = Math.max(this.#estimate, Math.min(this.#probe.kbps, found))
      this.#probe = null
    }
    if (this.queueMs < 100) this.#overSince = NEVER
    else this.#overSince = Math.min(this.#overSince, this.#now)
    if (this.#now - this.#overSince > 600) this.#estimate = Math.min(this.#estimate, found)
    else if (this.#estimate < this.#sentKbps() * 1.5) this.#estimate *= 1.0015
    this.#estimate = Math.max(this.#min, Math.min(this.#estimate, this.#max))
  }

  /** Within half a second the page tells of pictures that come late, and goes on telling while they do. */
  #watchQueue(): void {
    const growing = this.#watched && this.queueMs > 60 && this.#sentKbps() > this.#carriesKbps
    if (growing && this.#tellAt === NEVER && this.#now - this.#told > 500)
      this.#tellAt = this.#now + this.#random.int(60, 400)
    if (this.#now < this.#tellAt) return
    const pace = Math.min(1, Math.max(0.05, this.#carriesKbps / this.#sentKbps()))
    this.#told = this.#now
    this.#tellAt = NEVER
    this.#tell({ kind: 'piled_up', pace, lateMs: this.queueMs })
  }

  #tell(fact: LinkFact): void {
    const seen: LinkSeen = {
      nowMs: this.#now,
      connected: true,
      estimates: true,
      streams: this.#pictures.map((picture) => this.#facts(picture)),
    }
    const before = this.#state
    const { state, actions } = linkStep(before, fact, seen)
    this.#state = state
    this.#check({ before, fact, seen, state, actions })
    for (const action of actions) this.#do(action)
  }

  #facts({ stream, sent }: Picture): LinkStream {
    const { spatial = 0, temporal = 0 } = stream.steps[sent ?? 0] ?? {}
    return {
      ...stream,
      steps: stream.steps.map((step) => ({
        ...step,
        kbps: step.kbps * (0.98 + 0.04 * this.#random.next()),
      })),
      view: { tile: null, visible: true, focused: false, audio: true, video: true },
      ready: true,
      layer: { spatial, temporal },
      sound: stream.id === this.#pictures[0]!.stream.id,
      score: 10,
    }
  }

  #do(action: LinkAction): void {
    switch (action.do) {
      case 'ceiling':
        this.#ceiling = action.kbps
        break
      case 'keep':
        this.#min = Math.min(action.kbps, this.#max)
        break
      case 'open':
        this.#max = this.#ceiling
        break
      case 'pin':
        this.#min = action.minKbps
        this.#max = Math.min(action.maxKbps, this.#ceiling)
        break
      case 'probe':
        this.#max = Math.min(action.goalKbps, this.#ceiling)
        this.#probe = { at: this.#now + 80, kbps: this.#max }
        break
      case 'look':
        this.#lookAt = this.#now + action.afterMs
        break
      case 'take':
        this.#take(this.#picture(action.id), action.share.step)
        break
      case 'cut': {
        const picture = this.#picture(action.id)
        picture.heldUntil = this.#now + Math.max(100, action.drainingMs)
        picture.sent = picture.taken
        picture.keyframeAt = NEVER
      }
    }
  }

  #take(picture: Picture, step: number | null): void {
    if (step === picture.taken) return
    picture.taken = step
    if (step === null || picture.sent === null) picture.sent = step
    else picture.keyframeAt = this.#now + this.#random.int(60, 500)
  }

  #picture(id: string): Picture {
    return this.#pictures.find(({ stream }) => stream.id === id)!
  }
}
