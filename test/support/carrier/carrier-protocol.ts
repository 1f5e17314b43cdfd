import type { LinkCounters } from '../impaired-link.ts'
import type { Impairment } from '../impairment.ts'

/** What a test says to the process of a {@link Carrier}. Each order has one answer. */
export type CarrierOrder =
  /** Makes both ends of a link: `near` in the sender's namespace, `far` in the hub's. */
  | { type: 'plug'; link: number; near: string; far: string; senderPid: number; hubPid: number; seed: number }
  | { type: 'set'; link: number; forward: Partial<Impairment>; backward: Partial<Impairment> }
  | { type: 'counters'; link: number }

export type CarrierAnswer =
  | { type: 'done' }
  | { type: 'failed'; reason: string }
  | { type: 'counters'; counters: LinkCounters }
