import type { InputState, SwitchRules } from '../../common/wire/switched-inputs.ts'

/** How an input is doing. Times in ms of any steady clock. */
export interface InputHealth {
  readonly id: string
  readonly state: InputState
  /** Since when the input is in this state. A silent or frozen input: since its last media or change. */
  readonly sinceMs: number
  /** Why the input is in this state, in words, where that is not plain. */
  readonly why?: string
}

/** What the packets of an input showed. */
export interface InputSeen {
  /** There is a stream with this id. */
  readonly present: boolean
  /** Why the input can't be shown, in words; null while it can. */
  readonly refused: string | null
  /** There is sound, and no track of pictures. */
  readonly soundOnly: boolean
  /** Arrival of the last picture; null before the first, and where there are none. */
  readonly mediaMs: number | null
  /** Arrival of the last sound beside pictures; null before the first. */
  readonly soundMs: number | null
  /** When a picture last differed from the one before; null before the first picture. */
  readonly changedMs: number | null
  /** The usual pause between two pictures; 0 where nothing is known. */
  readonly gapMs: number
}

/** A slow sender's input is silent when this many of its usual pauses have passed. */
const GAPS = 3

/**
 * While sound flows, pictures may stay away for this long, ms: a shared screen that stands still sends one a second. The
 * hub, too, says `no_picture` after this time.
 */
const PICTURES_BESIDE_SOUND_MS = 2000

/** How an input is doing now, and when to look again if no packet comes before. */
export function judgeHealth(
  before: InputHealth,
  seen: InputSeen,
  { threshold_ms, frozen_ms }: Pick<SwitchRules, 'threshold_ms' | 'frozen_ms'>,
  nowMs: number,
): { readonly health: InputHealth; readonly lookAgainAtMs: number | null } {
  const since = (state: InputState, ms: number, why?: string): InputHealth => ({
    id: before.id,
    state,
    sinceMs: before.state === state ? before.sinceMs : ms,
    ...(why !== undefined && { why }),
  })
  if (!seen.present) return { health: since('absent', nowMs), lookAgainAtMs: null }
  if (seen.refused !== null) return { health: since('refused', nowMs, seen.refused), lookAgainAtMs: null }
  if (seen.mediaMs === null) {
    const why = seen.soundOnly ? 'it sends sound and no pictures' : undefined
    return { health: since('absent', nowMs, why), lookAgainAtMs: null }
  }

  const silentAt = silentFrom(seen.mediaMs, seen, threshold_ms)
  if (nowMs >= silentAt) return { health: since('silent', seen.mediaMs), lookAgainAtMs: null }
  const frozenAt = frozen_ms === null || seen.changedMs === null ? null : seen.changedMs + frozen_ms
  if (frozenAt !== null && nowMs >= frozenAt)
    return { health: since('frozen', seen.changedMs!), lookAgainAtMs: silentAt }
  const lookAgainAtMs = frozenAt === null ? silentAt : Math.min(silentAt, frozenAt)
  return { health: since('healthy', seen.mediaMs), lookAgainAtMs }
}

/** From when on the input is silent, if nothing more comes. */
function silentFrom(mediaMs: number, { soundMs, gapMs }: InputSeen, threshold_ms: number): number {
  const patienceMs = Math.max(threshold_ms, GAPS * gapMs)
  const pictures = mediaMs + patienceMs
  if (soundMs === null) return pictures
  return Math.min(
    Math.max(pictures, soundMs + threshold_ms),
    mediaMs + Math.max(patienceMs, PICTURES_BESIDE_SOUND_MS),
  )
}
