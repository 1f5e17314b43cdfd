import type { PathStrategy, UplinkUse } from '../common/wire/policy-document.ts'
import type { StreamClass } from '../common/wire/stream.ts'

/** What a class of stream demands of the way from camera to screen. Times in ms, bitrates in kb/s. */
export interface ClassProfile {
  /** p95 glass-to-glass target, or null where there is none. */
  readonly glassToGlassMs: number | null
  readonly videoKbps: { readonly floor: number; readonly start: number; readonly ceiling: number }
  /** RIST recovery buffer: `rttMultiple` x RTT, held between `minMs` and `maxMs`. */
  readonly ristBuffer: { readonly rttMultiple: number; readonly minMs: number; readonly maxMs: number }
  /**
   * `playout-delay` RTP header extension for browsers, or null to leave the choice to them. At 0/0 Chromium shows
   * a frame as soon as it is decoded, which saves 20 to 30 ms and lets video run ahead of audio.
   */
  readonly playoutDelayMs: { readonly min: number; readonly max: number } | null
  /** How paths are compared (`policy/paths/`). */
  readonly strategy: PathStrategy
  /** What a sender does with several links. */
  readonly uplinks: UplinkUse
  /** The longest stretch of media that may leave at line rate. */
  readonly burstMs: number
}

/** The defaults of the four classes; a tenant's policy may tighten or loosen them. */
export const CLASS_PROFILES: Readonly<Record<StreamClass, ClassProfile>> = {
  focus: {
    glassToGlassMs: 200,
    videoKbps: { floor: 600, start: 3000, ceiling: 8000 },
    ristBuffer: { rttMultiple: 4, minMs: 50, maxMs: 120 },
    playoutDelayMs: { min: 0, max: 0 },
    strategy: 'latency',
    uplinks: 'duplicate',
    burstMs: 5,
  },
  director: {
    glassToGlassMs: 500,
    videoKbps: { floor: 400, start: 2500, ceiling: 6000 },
    ristBuffer: { rttMultiple: 4, minMs: 100, maxMs: 300 },
    playoutDelayMs: null,
    // latency first, then loss: the weights of the hybrid (`policy/paths/hybrid.ts`)
    strategy: 'hybrid',
    uplinks: 'share-by-health',
    burstMs: 10,
  },
  record: {
    glassToGlassMs: 1000,
    videoKbps: { floor: 2000, start: 8000, ceiling: 20_000 },
    ristBuffer: { rttMultiple: 6, minMs: 300, maxMs: 800 },
    playoutDelayMs: null,
    // stability
    strategy: 'reputation',
    uplinks: 'share-by-health',
    burstMs: 40,
  },
  bulk: {
    glassToGlassMs: null,
    videoKbps: { floor: 0, start: 8000, ceiling: 50_000 },
    ristBuffer: { rttMultiple: 6, minMs: 1000, maxMs: 1000 },
    playoutDelayMs: null,
    strategy: 'bandwidth',
    uplinks: 'share-by-capacity',
    burstMs: 100,
  },
}
