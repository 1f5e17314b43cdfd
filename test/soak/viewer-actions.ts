import { setTimeout as delay } from 'node:timers/promises'
import { subscribeAnswerSchema } from '../../common/wire/flows-api.ts'
import { LightViewer } from '../bench/light-viewer.ts'
import { BareViewer } from '../support/bare-viewer.ts'
import { PLAYER_OFFER } from '../support/offers.ts'
import { type Acting, type Action, oneOf, someMs } from './action.ts'

const WATCHED = ['cam-1', 'cam-2', 'card'] as const
const PICTURE_WITHIN_MS = 15_000

async function subscribe({ rig, random }: Acting): Promise<{ ticket: string; contractId: string }> {
  const asked = { stream_id: oneOf(random, WATCHED), tenant_id: 'default' }
  const { body } = await rig.hub.api('POST', '/v1/subscribe', asked, null)
  const { contract_id, join } = subscribeAnswerSchema.parse(body)
  return { ticket: join.webrtc.ticket, contractId: contract_id }
}

/** Viewers of all kinds, and the ways in which they leave. */
export const VIEWER_ACTIONS: readonly Action[] = [
  {
    name: 'watch until a picture is there, and leave',
    weight: 6,
    async run({ rig, random, signal }) {
      const streamId = oneOf(random, WATCHED)
      using viewer = await LightViewer.join({ hubUrl: rig.hub.url, streamId, dtls: rig.dtls })
      const late = AbortSignal.timeout(PICTURE_WITHIN_MS)
      await Promise.race([
        viewer.picture,
        delay(PICTURE_WITHIN_MS, undefined, { signal: AbortSignal.any([late, signal]) }),
      ])
      await delay(someMs(random, 200, 3000), undefined, { signal })
    },
  },
  {
    name: 'many join at once, and leave or vanish',
    weight: 3,
    async run(acting) {
      const { random, rig } = acting
      const viewers = await Promise.all(
        Array.from({ length: 2 + random.below(10) }, async () => {
          const { ticket, contractId } = await subscribe(acting)
          return { contractId, viewer: await BareViewer.open(rig.hub.url, ticket) }
        }),
      )
      await Promise.allSettled(viewers.map(({ viewer }) => viewer.joined))
      await delay(someMs(random, 0, 2000))
      for (const { viewer, contractId } of viewers) {
        const way = random.below(4)
        if (way === 0) await rig.hub.api('DELETE', `/v1/viewers/${contractId}`)
        if (way === 1) viewer.leave()
        else viewer.vanish()
      }
    },
  },
  {
    name: 'ask for places and never use them',
    weight: 2,
    async run(acting) {
      for (let count = acting.random.below(10); count >= 0; count -= 1) await subscribe(acting)
    },
  },
  {
    name: 'ask by WHEP, and never connect',
    weight: 2,
    async run({ rig, random, signal }) {
      const headers = { authorization: `Bearer ${rig.viewerToken}` }
      const url = `${rig.hub.url}/whep/${oneOf(random, WATCHED)}`
      const sdp = { ...headers, 'content-type': 'application/sdp' }
      const answer = await fetch(url, { method: 'POST', headers: sdp, body: PLAYER_OFFER })
      if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`)
      await answer.text()
      await delay(someMs(random, 0, 3000), undefined, { signal }).catch(() => {})
      const session = new URL(answer.headers.get('location')!, url)
      // The others end by themselves.
      if (random.below(2) === 0) await fetch(session, { method: 'DELETE', headers })
    },
  },
]
