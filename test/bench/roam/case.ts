import type { Page } from 'playwright-core'
import { percentile } from '../../support/frame-reader.ts'
import { type PeerConnections, peerConnections } from '../../support/peer-connections.ts'
import { type Freeze, picturesAgain } from '../../support/pictures-again.ts'
import type { RoamingLab } from '../../support/roaming-lab.ts'
import { takeShown } from '../../support/shown-pictures.ts'
import { rounded } from '../bench.ts'

/** How often each case runs. */
export const RUNS = 5
/** Rest before each run, in which everything settles, ms. */
const SETTLE_MS = 3000

export interface RoamCase {
  readonly name: string
  run(lab: RoamingLab, say: (what: string) => void): Promise<Measured[]>
}

export interface Measured extends Freeze {
  /** ICE restarts, and media that was negotiated anew. */
  readonly renegotiations: number
}

/** One run: what happens to the network, and what a page saw of it. */
export async function measure(
  lab: RoamingLab,
  { page, happens, within }: { page: Page; happens: () => Promise<unknown>; within?: number },
): Promise<Measured> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const before = { restarts: await lab.metric('ice_restarts_total'), page: await peerConnections(page) }
  await takeShown(page)
  const from = Date.now()
  await happens()
  const freeze = await picturesAgain(page, from, within)
  const after = { restarts: await lab.metric('ice_restarts_total'), page: await peerConnections(page) }
  refuseNewMedia(before.page, after.page)
  return { ...freeze, renegotiations: after.restarts - before.restarts }
}

/** @throws when consumers were made anew */
function refuseNewMedia(before: PeerConnections, after: PeerConnections): void {
  if (before.made !== after.made || before.ssrcs.join() !== after.ssrcs.join())
    throw new Error(`the media was made anew: ${JSON.stringify({ before, after })}`)
}

export function summary(name: string, measured: readonly Measured[]) {
  const times = measured.map(({ againMs }) => againMs)
  const frozen = measured.map(({ frozenMs }) => frozenMs)
  return {
    name,
    runs: measured.length,
    p50_ms: rounded(percentile(times, 0.5), 0),
    p95_ms: rounded(percentile(times, 0.95), 0),
    renegotiations: Math.max(...measured.map(({ renegotiations }) => renegotiations)),
    frozen_ms: rounded(Math.max(...frozen), 0),
  }
}
