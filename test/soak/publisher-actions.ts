import { setTimeout as delay } from 'node:timers/promises'
import { startClipSender } from '../support/clip-sender.ts'
import { publishByWhip, watchByWhep } from '../support/werift-doors.ts'
import { askToPublish, WeriftPublisher } from '../support/werift-publisher.ts'
import { type Acting, type Action, someMs } from './action.ts'

/** Whoever brings media, and the ways in which they end. */
export const PUBLISHER_ACTIONS: readonly Action[] = [
  {
    name: 'publish over protoo',
    weight: 2,
    async run({ rig, random, signal, lane }) {
      const contract = await askToPublish(rig.hub.url, rig.publisherToken, `page-${lane}`)
      await using publisher = new WeriftPublisher(rig.hub.url, contract)
      const { transport } = await publisher.publish()
      // Null: the media of the last connection is still there, and belongs to this one now.
      if (transport) {
        await publisher.connect(transport)
        const ssrc = 1 + random.below(1_000_000)
        await publisher.produceAudio(transport.id, ssrc)
        publisher.send(ssrc, 'soak')
      }
      await delay(someMs(random, 500, 4000), undefined, { signal })
      if (random.below(2) === 0) await rig.hub.api('DELETE', `/v1/flows/${contract.contract_id}`)
    },
  },
  {
    name: 'publish by WHIP, and watch that by WHEP',
    weight: 2,
    async run({ rig, random, signal, lane }) {
      const door = (name: string) => `${rig.hub.url}/${name}/whip-${lane}`
      await using session = await publishByWhip(door('whip'), rig.publisherToken)
      await using viewer = random.below(2) === 0 ? await watchByWhep(door('whep'), rig.viewerToken) : null
      await delay(someMs(random, 500, 4000), undefined, { signal })
      if (viewer && viewer.received.audio + viewer.received.video === 0)
        throw new Error('nothing was received')
      if (random.below(3) === 0) session.fallSilent()
      else if (random.below(2) === 0)
        await fetch(session.location, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${rig.publisherToken}` },
        })
    },
  },
  { name: 'a field sender comes and goes', weight: 2, run: comeAndGo },
  {
    name: 'kill a field sender',
    weight: 1,
    async run({ rig, random, signal }) {
      const sender = rig.senders[random.below(rig.senders.length)]!
      if (sender.pid !== null) process.kill(sender.pid, 'SIGKILL')
      await delay(someMs(random, 0, 2500), undefined, { signal }).catch(() => {})
      await sender.ensure()
    },
  },
]

/** Only one at a time: a second one would be turned away. */
let coming: Promise<void> = Promise.resolve()

function comeAndGo({ rig, random, signal }: Acting): Promise<void> {
  const forMs = someMs(random, 500, 5000)
  const turn = coming.then(async () => {
    await using _sender = await startClipSender(rig.coming, { path: rig.clip, repeat: true })
    await delay(forMs, undefined, { signal }).catch(() => {})
  })
  coming = turn.catch(() => {})
  return turn
}
