import { type Impairment, seededRandom, UNIMPAIRED } from '../impairment.ts'

/** A stretch of a link's life. */
export interface Stretch {
  readonly seconds: number
  /** Capacity of the way up, kb/s on the wire; 0: nothing gets through in either direction. */
  readonly kbps: number
  /** One way, ms, without a queue. */
  readonly delayMs: number
  /** Share of packets lost on the air, 0 to 1. */
  readonly loss?: number
  /** Added to each packet's delay, uniform from 0 to this, ms. */
  readonly jitterMs?: number
  /** How much the capacity sways around its middle, as a share of it. */
  readonly sway?: number
}

/** One link over time; from the end on it repeats. */
export interface LinkTrace {
  readonly name: string
  /** Longest wait in the modem's or the cell's queue, ms. */
  readonly queueMs: number
  readonly stretches: readonly Stretch[]
}

/** Links of one sender at the same time and place. */
export interface Trace {
  readonly name: string
  /** What happens, and which published recordings have the same shape. */
  readonly about: string
  readonly links: readonly LinkTrace[]
}

/** Capacity changes this often, ms: a cell's scheduler gives shares anew far more often, a modem's buffer smooths them. */
const SAMPLE_MS = 200
/** How much of a sample's sway is left in the next one. */
const MEMORY = 0.8

export interface LinkSample extends Impairment {
  /** Capacity, kb/s; 0 in the dark. */
  readonly offersKbps: number
}

/** A trace as a table: the same samples for the same trace, every {@link SAMPLE_MS}. */
export class PlayedTrace {
  readonly trace: Trace
  readonly seconds: number
  readonly #links: readonly (readonly LinkSample[])[]

  constructor(trace: Trace) {
    this.trace = trace
    const lengthOf = ({ stretches }: LinkTrace) => stretches.reduce((sum, { seconds }) => sum + seconds, 0)
    this.seconds = Math.max(...trace.links.map(lengthOf))
    this.#links = trace.links.map((link, index) => samplesOf(link, seededRandom(7316 + index)))
  }

  /** What a link does to packets at this time. The way back has the delay and the loss, and room enough. */
  at(link: number, atMs: number): { readonly forward: LinkSample; readonly backward: Impairment } {
    const samples = this.#links[link]!
    const forward = samples[Math.floor(atMs / SAMPLE_MS) % samples.length]!
    const { delayMs, jitterMs, loss, blackhole } = forward
    return { forward, backward: { ...UNIMPAIRED, delayMs, jitterMs, loss, blackhole } }
  }
}

function samplesOf({ queueMs, stretches }: LinkTrace, random: () => number): LinkSample[] {
  const samples: LinkSample[] = []
  let drift = 0
  for (const { seconds, kbps, delayMs, loss = 0, jitterMs = 0, sway = 0 } of stretches) {
    for (let sample = 0; sample < (seconds * 1000) / SAMPLE_MS; sample += 1) {
      drift = MEMORY * drift + (1 - MEMORY) * (random() * 2 - 1) * 3
      const offersKbps = Math.max(0, Math.round(kbps * (1 + sway * Math.max(-1, Math.min(1, drift)))))
      samples.push({
        ...UNIMPAIRED,
        offersKbps,
        rateKbps: Math.max(8, offersKbps),
        delayMs,
        jitterMs,
        loss,
        queueMs,
        blackhole: kbps === 0,
      })
    }
  }
  return samples
}
