import type { SwitchHistory } from '../common/wire/decision.ts'

export interface SwitchRules {
  /** Shortest time between two switches while the path in use works, ms. */
  readonly minIntervalMs: number
  /** How much cheaper the other path must be, as a share (0 to 1) of the cost of the path in use. */
  readonly margin: number
}

/** How long another path must have been better without a break, ms: one report is no reason to move. */
const BETTER_FOR_MS = 3000

export interface SwitchQuestion {
  /** Cost of the path in use; null where that path no longer carries anything. */
  readonly currentCost: number | null
  readonly candidateCost: number
  /** A cost difference below this means nothing, whatever `margin` says. */
  readonly noise: number
  readonly history: SwitchHistory
  readonly byHand: boolean
  /** The path in use is not good enough for the flow's class. */
  readonly unfit: boolean
}

export interface SwitchAnswer {
  readonly switches: boolean
  readonly history: SwitchHistory
  readonly reason: string
}

/** Whether a flow leaves its path for a different one. */
export function judgeSwitch(question: SwitchQuestion, rules: SwitchRules, nowMs: number): SwitchAnswer {
  const { currentCost, candidateCost, noise, history, byHand, unfit } = question
  const move = (reason: string): SwitchAnswer => ({
    switches: true,
    history: { switched_at: nowMs, better_since: null },
    reason,
  })
  const stay = (better_since: number | null, reason: string): SwitchAnswer => ({
    switches: false,
    history: { switched_at: history.switched_at, better_since },
    reason,
  })

  if (currentCost === null) return move('switched at once: the path in use carries nothing any more')
  if (byHand) return move('switched: asked for by hand')
  const sinceSwitch = history.switched_at === null ? Number.POSITIVE_INFINITY : nowMs - history.switched_at
  const tooSoon = sinceSwitch < rules.minIntervalMs
  const since = `the last switch was ${sinceSwitch} of ${rules.minIntervalMs} ms ago`
  if (unfit) {
    if (tooSoon) return stay(history.better_since, `stays: not good enough for the class, but ${since}`)
    return move('switched: the path in use is not good enough for the class')
  }

  const gain = currentCost - candidateCost
  const needed = Math.max(noise, currentCost * rules.margin)
  const costs = `cost ${cost(candidateCost)} against ${cost(currentCost)}`
  if (gain < needed) return stay(null, `stays: ${costs} is not better by ${cost(needed)}`)
  const betterSince = history.better_since ?? nowMs
  const betterFor = nowMs - betterSince
  if (betterFor < BETTER_FOR_MS) {
    return stay(betterSince, `stays: ${costs} is better, but only for ${betterFor} of ${BETTER_FOR_MS} ms`)
  }
  if (tooSoon) return stay(betterSince, `stays: ${costs} is better, but ${since}`)
  return move(`switched: ${costs}, better by more than ${cost(needed)} for ${betterFor} ms`)
}

const cost = (value: number): string => String(Number(value.toPrecision(3)))
