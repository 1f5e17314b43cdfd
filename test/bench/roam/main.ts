import { openRoamingLab } from '../../support/roaming-lab.ts'
import { type RoamCase, summary } from './case.ts'
import { publisherLateAddress, publisherNewAddress } from './publishers.ts'
import { FAR_RELAY, relayNodeDown, turnKilled, viewerOnlyTls } from './relays.ts'
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
  viewerOnlyTls,
  turnKilled,
  relayNodeDown,
  publisherNewAddress,
  publisherLateAddress,
  senderLinkNewAddress,
  senderOnlyLinkNewAddress,
]

/** The hub's own relay, and one elsewhere. */
const RELAYED = {
  args: ['--turn-mode', 'embedded'],
  env: { FAR_RELAY_SECRET: FAR_RELAY.secret },
  toml: [
    '[[relays]]',
    `node_id = "${FAR_RELAY.nodeId}"`,
    `urls = ["turn:${FAR_RELAY.address}:3478?transport=udp", "turn:${FAR_RELAY.address}:3478?transport=tcp"]`,
    'secret_env = "FAR_RELAY_SECRET"',
  ].join('\n'),
} as const

const wanted = process.argv.slice(2)
for (const each of CASES) {
  if (wanted.length > 0 && !wanted.includes(each.name)) continue
  const relays = [viewerOnlyTls, turnKilled, relayNodeDown].includes(each) ? RELAYED : {}
  await using lab = await openRoamingLab({ logLevel: 'warn', ...relays }, SENDER_STREAMS)
  const say = (what: string) => process.send?.({ progress: `${each.name}: ${what}` })
  say('starting')
  const measured = await each.run(lab, say)
  process.send?.({ result: summary(each.name, measured) })
}
process.disconnect()
