import { startClipSender } from '../../support/clip-sender.ts'
import { type Measured, measure, type RoamCase, RUNS } from './case.ts'

/**
 * librist takes an address that was left for dead after 2 s and forgets it after 7 s. A link that comes back there in
 * between is not taken over (docs/limits.md), which is another matter.
 */
const FORGOTTEN_MS = 8_000

/** Streams whose senders change addresses. */
export const SENDER_STREAMS = [
  { streamId: 'two-links', links: 2 },
  { streamId: 'one-link', links: 1 },
] as const

/** One of two links gets another address. */
export const senderLinkNewAddress = sending('sender-link-new-address', 'two-links')

/** The only link does. */
export const senderOnlyLinkNewAddress = sending('sender-only-link-new-address', 'one-link')

function sending(name: string, streamId: (typeof SENDER_STREAMS)[number]['streamId']): RoamCase {
  return {
    name,
    async run(lab, say) {
      const networks = await lab.openNetworks()
      const stream = lab.hub.streams.get(streamId)!
      const [, second] = stream.ports
      if (second !== undefined) await networks.addSteadyCable(lab.neighbour, second)
      const clip = { path: lab.clip, repeat: true, hosts: stream.ports.map(() => lab.neighbour.there) }
      await using _sender = await startClipSender(stream, clip, networks.namespace.enter)
      await using watcher = await lab.openMachine()
      const page = await watcher.watch(streamId)
      const measured: Measured[] = []
      for (let run = 1; run <= RUNS; run++) {
        say(`run ${run} of ${RUNS}`)
        await new Promise((resolve) => setTimeout(resolve, FORGOTTEN_MS))
        measured.push(await measure(lab, { page, happens: () => networks.change() }))
      }
      return measured
    },
  }
}
