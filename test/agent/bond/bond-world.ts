import { type BondState, type BondStep, bondStep, newBond } from '../../../agent/bond/bond.ts'
import type { BondTerms } from '../../../agent/bond/bond-terms.ts'
import { Impairer, seededRandom, UNIMPAIRED } from '../../support/impairment.ts'
import type { PlayedTrace } from '../../support/link-traces/link-trace.ts'

/** Payload and wire length of a packet, bytes. */
const PAYLOAD = 1316
const WIRE = 1378
const REPORT = 110
const STEP_MS = 100
const REPORT_MS = 100
const NEWS_MS = 200
/** The hub forgets a silent link after this, ms, and until then asks for repairs on it. */
const HUB_PATIENCE_MS = 2000
/** librist repairs a packet over the same link no more often than this, ms. */
const REPAIR_EVERY_MS = 30
/** A lost packet costs pictures until the next keyframe, which comes in this time, ms. */
const KEYFRAME_MS = 400

interface WorldLink {
  readonly forward: Impairer
  readonly backward: Impairer
  weight: number
  /** What is left of the weight in librist's round. */
  left: number
  sent: number
  arrived: number
  heard: number
  rttMs: number | null
  /** When the hub heard of it last, and the round trip that the hub sees. */
  hubHeardAtMs: number
  offeredKbit: number
  /** When the sender heard of it last. */
  heardAtMs: number
}

interface Packet {
  readonly atMs: number
  arrivedAtMs: number
  /** When it was repaired last over which link. */
  readonly repairs: Map<WorldLink, number>
}

export interface Outcome {
  readonly packets: number
  readonly lost: number
  readonly lossPct: number
  readonly frozenMs: number
  readonly meanKbps: number
  /** Media that was delivered, of what the links offered on the wire while their packets could come in time. */
  readonly utilisation: number
  readonly steps: readonly BondStep[]
}

/**
 * A sender, its links and a hub, packet by packet in a time of its own: librist's rounds of weights, its repairs over the
 * link with the least round trip (modulo 1000), the hub's word every 200 ms. The bond decides, or nobody does.
 */
export class BondWorld {
  readonly #trace: PlayedTrace
  readonly #terms: BondTerms
  readonly #adaptive: boolean
  readonly #wraps: boolean
  readonly #links: WorldLink[]
  readonly #packets: Packet[] = []
  readonly #events: (() => void)[][] = []
  readonly #random = seededRandom(42)
  readonly #steps: BondStep[] = []
  #round = 0
  /** The number that the hub expects next. */
  #highest = 0
  #now = 0
  #state: BondState
  #news: { hubMs: number; packets: readonly number[] } | null = null
  #kbps: number

  constructor(trace: PlayedTrace, terms: BondTerms, { adaptive = true, wraps = true } = {}) {
    this.#trace = trace
    this.#terms = terms
    this.#adaptive = adaptive
    this.#wraps = wraps
    this.#state = newBond(terms, 0)
    this.#kbps = terms.kbps.start
    const weight = terms.use === 'copies' ? 0 : 100 / terms.links.length
    this.#links = terms.links.map((_, index) => ({
      forward: new Impairer(UNIMPAIRED, seededRandom(100 + index)),
      backward: new Impairer(UNIMPAIRED, seededRandom(200 + index)),
      weight: Math.round(weight),
      left: Math.round(weight),
      sent: 0,
      arrived: 0,
      heard: 0,
      rttMs: null,
      hubHeardAtMs: 0,
      offeredKbit: 0,
      heardAtMs: 0,
    }))
  }

  run(seconds = this.#trace.seconds): Outcome {
    let next = 0
    for (this.#now = 0; this.#now < seconds * 1000; this.#now += 1) {
      const now = this.#now
      if (now % STEP_MS === 0) this.#play()
      if (now % REPORT_MS === 0) this.#report()
      if (now % NEWS_MS === 130) this.#tell()
      for (const event of this.#events[now] ?? []) event()
      delete this.#events[now]
      if (now % STEP_MS === 50) this.#step()
      // A picture's packets leave over half of its time; every thirtieth picture is three times as large.
      const rate = (this.#kbps * 1000) / 8 / PAYLOAD / 1000
      next += rate * (0.7 + 0.6 * this.#random())
      for (; next >= 1; next -= 1) this.#send()
    }
    return this.#outcome(seconds)
  }

  #at(ms: number, event: () => void): void {
    const slot = Math.max(this.#now + 1, Math.ceil(ms))
    this.#events[slot] ??= []
    this.#events[slot].push(event)
  }

  #play(): void {
    const usable = this.#terms.bufferMs / 2
    const fastest = Math.min(
      ...this.#links.map((_, index) => {
        const { forward } = this.#trace.at(index, this.#now)
        return forward.blackhole ? 1000 : forward.delayMs
      }),
    )
    for (const [index, link] of this.#links.entries()) {
      const { forward, backward } = this.#trace.at(index, this.#now)
      link.forward.set(forward)
      link.backward.set(backward)
      if (forward.delayMs - fastest <= usable) link.offeredKbit += (forward.offersKbps * STEP_MS) / 1000
    }
  }

  /** Both ends say that they live, and answer each other. */
  #report(): void {
    const sentAt = this.#now
    for (const link of this.#links) {
      for (const due of link.backward.judge(REPORT, sentAt))
        this.#at(due, () => {
          link.heard += 1
          link.heardAtMs = this.#now
        })
      link.sent += 1
      for (const due of link.forward.judge(REPORT, sentAt)) {
        this.#at(due, () => {
          link.arrived += 1
          link.hubHeardAtMs = this.#now
          for (const back of link.backward.judge(REPORT, this.#now))
            this.#at(back, () => {
              link.heard += 1
              link.heardAtMs = this.#now
              const rtt = this.#now - sentAt
              link.rttMs = this.#wraps ? rtt % 1000 : rtt
            })
        })
      }
    }
  }

  #tell(): void {
    const hubMs = this.#now
    const packets = this.#links.map(({ arrived }) => arrived)
    this.#at(this.#now + 40, () => {
      this.#news = { hubMs, packets }
    })
  }

  #step(): void {
    const news = this.#news
    this.#news = null
    const step = bondStep(
      this.#state,
      this.#terms,
      {
        links: this.#links.map(({ sent, heard, rttMs }, link) => ({ link, sent, heard, rttMs })),
        arrivals: news && {
          hubMs: news.hubMs,
          links: news.packets.map((packets, link) => ({ link, packets })),
        },
        datagramBytes: WIRE,
      },
      this.#now,
    )
    this.#state = step.state
    this.#steps.push(step)
    if (!this.#adaptive) return
    this.#kbps = step.targetKbps
    for (const [index, link] of this.#links.entries()) {
      const weight = step.weights.get(index) ?? link.weight
      if (weight !== link.weight) link.left = weight
      link.weight = weight
    }
  }

  #send(): void {
    const number = this.#packets.length
    this.#packets.push({ atMs: this.#now, arrivedAtMs: Number.POSITIVE_INFINITY, repairs: new Map() })
    for (const link of this.#links) if (link.weight === 0 && this.#answers(link)) this.#carry(link, number)
    const link = this.#chosen()
    if (link) this.#carry(link, number)
  }

  /** librist's choice: the link with most of its weight left; when nobody has any, a packet is left out. */
  #chosen(): WorldLink | null {
    const able = this.#links.filter((link) => link.weight > 0 && this.#answers(link))
    if (able.length === 0) return null
    const best = able.reduce((most, link) => (link.left > most.left ? link : most))
    if (best.left > 0) {
      best.left -= 1
      this.#round += 1
      if (this.#round >= this.#links.reduce((sum, { weight }) => sum + weight, 0)) this.#refill()
      return best
    }
    this.#refill()
    return null
  }

  #refill(): void {
    this.#round = 0
    for (const link of this.#links) link.left = link.weight
  }

  /** librist leaves a link alone about a second after its last sign of life. */
  #answers({ heardAtMs }: WorldLink): boolean {
    return this.#now - heardAtMs < 1000
  }

  #carry(link: WorldLink, number: number): void {
    link.sent += 1
    for (const due of link.forward.judge(WIRE, this.#now)) this.#at(due, () => this.#arrive(link, number))
  }

  #arrive(link: WorldLink, number: number): void {
    link.arrived += 1
    link.hubHeardAtMs = this.#now
    const packet = this.#packets[number]!
    packet.arrivedAtMs = Math.min(packet.arrivedAtMs, this.#now)
    // What was skipped is asked for when half a round trip has passed.
    const patienceMs = Math.max(15, this.#terms.bufferMs / 10, (link.rttMs ?? 30) / 2)
    for (; this.#highest < number; this.#highest += 1) {
      const skipped = this.#highest
      if (skipped !== number) this.#at(this.#now + patienceMs, () => this.#ask(skipped))
    }
  }

  /** The hub asks for a packet that it misses, over the link that it takes for the fastest, again and again. */
  #ask(number: number): void {
    const packet = this.#packets[number]!
    if (packet.arrivedAtMs <= this.#now || this.#now - packet.atMs > this.#terms.bufferMs) return
    const way = this.#links
      .filter(({ hubHeardAtMs }) => this.#now - hubHeardAtMs < HUB_PATIENCE_MS)
      .toSorted((a, b) => (a.rttMs ?? 0) - (b.rttMs ?? 0))[0]
    if (!way) return
    for (const due of way.backward.judge(REPORT, this.#now))
      this.#at(due, () => {
        way.heard += 1
        way.heardAtMs = this.#now
        const before = packet.repairs.get(way) ?? Number.NEGATIVE_INFINITY
        if (this.#now - before < Math.max(way.rttMs ?? 0, REPAIR_EVERY_MS)) return
        packet.repairs.set(way, this.#now)
        way.sent += 1
        for (const again of way.forward.judge(WIRE, this.#now))
          this.#at(again, () => this.#arrive(way, number))
      })
    this.#at(this.#now + Math.max(10, way.rttMs ?? 50) * 1.1, () => this.#ask(number))
  }

  #outcome(seconds: number): Outcome {
    const settled = this.#packets.filter(({ atMs }) => atMs < seconds * 1000 - 1500)
    const lost = settled.filter(({ atMs, arrivedAtMs }) => arrivedAtMs - atMs > this.#terms.bufferMs + 40)
    let frozenMs = 0
    let frozenUntil = 0
    for (const { atMs } of lost) {
      frozenMs += Math.max(0, atMs + KEYFRAME_MS - Math.max(frozenUntil, atMs))
      frozenUntil = Math.max(frozenUntil, atMs + KEYFRAME_MS)
    }
    const meanKbps = ((settled.length - lost.length) * PAYLOAD * 8) / 1000 / (seconds - 1.5)
    const offered = this.#links.reduce((sum, { offeredKbit }) => sum + offeredKbit, 0) / seconds
    return {
      packets: settled.length,
      lost: lost.length,
      lossPct: (100 * lost.length) / settled.length,
      frozenMs,
      meanKbps,
      utilisation: meanKbps / offered,
      steps: this.#steps,
    }
  }
}
