import { PATHS } from '../support/two-paths.ts'
import type { Bench } from './bench.ts'
import type { CaseResult } from './switch/case.ts'
import { type Cost, cost, HEAVY, HEAVY_STREAMS } from './switch/cost.ts'
import { BUFFER_MS, hitless } from './switch/hitless.ts'
import { killed } from './switch/killed.ts'
import { reroute } from './switch/reroute.ts'
import { resubscribe } from './switch/resubscribe.ts'
import { openSwitchRig, type SwitchRig, type SwitchRigOptions } from './switch/rig.ts'
import { takeoverAndReturn } from './switch/standby.ts'
import { takes } from './switch/takes.ts'

/** The senders of the cases with live encoders. */
const LIVE = ['cam-a', 'cam-b'] as const

interface Results {
  readonly cases: CaseResult[]
  cost?: Cost
  lostAlone?: readonly number[]
  resubscribe?: { readonly p50_ms: number; readonly p95_ms: number }
}

type Part = (rig: SwitchRig, results: Results, say: (what: string) => void) => Promise<void>

/** Parts that can be run alone, in the order of a whole run. */
const PARTS: Readonly<Record<string, Part>> = {
  resubscribe: async (rig, results, say) => {
    await startLive(rig)
    results.resubscribe = await resubscribe(rig, LIVE, (run) => say(`resubscribe: run ${run}`))
  },
  takes: async (rig, { cases }, say) => {
    await startLive(rig)
    await openProgram(rig, 'cuts', LIVE, false)
    cases.push(...(await takes(rig, 'cuts', LIVE, say)))
  },
  killed: async (rig, { cases }, say) => {
    await startLive(rig)
    await openProgram(rig, 'killed', LIVE, true)
    cases.push(await killed(rig, 'killed', LIVE[0], say))
  },
  standby: async (rig, { cases }, say) => {
    cases.push(...(await takeoverAndReturn(rig, say)))
  },
  reroute: async (rig, { cases }, say) => {
    await openProgram(rig, 'rerouted', LIVE, true)
    cases.push(await reroute(rig, 'rerouted', LIVE[0], say))
  },
  hitless: async (rig, results, say) => {
    await openProgram(rig, 'hitless', PATHS, true)
    const { cases, lost_alone } = await hitless(rig, 'hitless', say)
    results.cases.push(...cases)
    results.lostAlone = lost_alone
  },
  cost: async (rig, results, say) => {
    results.cost = await cost(rig, () => openProgram(rig, 'heavy', HEAVY, true), say)
  },
}

/** Cuts between inputs of a switched lane, read from the names and numbers in the pictures that Chromium shows. */
export const switched: Bench = {
  about: 'cuts and lost inputs of a switched lane: ms until the other input is on the screen',
  async run({ progress }) {
    const wanted = process.env['SWITCH_PARTS']?.split(',') ?? Object.keys(PARTS)
    const results: Results = { cases: [] }
    for (const name of wanted) {
      const part = PARTS[name]
      if (!part)
        throw new Error(`SWITCH_PARTS: there is no ${name}; there are ${Object.keys(PARTS).join(', ')}`)
      progress.say(`${name}: starting`)
      // A hub and a browser of its own: what one part leaves behind costs the next one nothing.
      await using rig = await openSwitchRig(OPTIONS[name])
      await part(rig, results, (what) => progress.say(what))
    }
    return {
      bench: 'switch',
      cases: results.cases,
      ...(results.lostAlone && { lost_frames_of_each_path: results.lostAlone }),
      ...results.cost,
      ...(results.resubscribe && {
        resubscribe_p50_ms: results.resubscribe.p50_ms,
        resubscribe_p95_ms: results.resubscribe.p95_ms,
      }),
    }
  },
}

const OPTIONS: Readonly<Record<string, SwitchRigOptions>> = {
  hitless: { bufferMs: BUFFER_MS },
  cost: { streams: HEAVY_STREAMS },
}

async function startLive(rig: SwitchRig): Promise<void> {
  await Promise.all(LIVE.map((streamId) => rig.send(streamId)))
}

/** @param auto the best healthy input is on air, in this order */
async function openProgram(
  rig: SwitchRig,
  programId: string,
  inputs: readonly string[],
  auto: boolean,
): Promise<string> {
  await rig.ask('POST', '/v1/programs', { program_id: programId, class: 'focus', inputs, auto }, 201)
  return programId
}
