import { openRoamingLab } from '../../support/roaming-lab.ts'
import { type RoamCase, summary } from './case.ts'
import { publisherLateAddress, publisherNewAddress } from './publishers.ts'
import { SENDER_STREAMS, senderLinkNewAddress, senderOnlyLinkNewAddress } from './senders.ts'
import { viewerBoundNewAddress, viewerNewAddress, viewerUdpBlocked } from './viewers.ts'

/**
 * Runs the cases in a namespace of this process's own, and tells each result to the parent (`test/bench/roam.ts`).
 * Arguments name the cases; all by default.
 */
const CASES: readonly RoamCase[] = [
  viewerNewAddress,
  viewerBoundNewAddress,
  viewerUdpBlocked,
  publisherNewAddress,
  publisherLateAddress,
  senderLinkNewAddress,
  senderOnlyLinkNewAddress,
]

const wanted = process.argv.slice(2)
for (const each of CASES) {
  if (wanted.length > 0 && !wanted.includes(each.name)) continue
  await using lab = await openRoamingLab({ logLevel: 'warn' }, SENDER_STREAMS)
  const say = (what: string) => process.send?.({ progress: `${each.name}: ${what}` })
  say('starting')
  const measured = await each.run(lab, say)
  process.send?.({ result: summary(each.name, measured) })
}
process.disconnect()
