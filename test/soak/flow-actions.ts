import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { askToPublish } from '../support/werift-publisher.ts'
import { type Action, oneOf, someMs } from './action.ts'
import { listFlows } from './measure.ts'
import { CARD_STREAM } from './soak-rig.ts'

const issued = z.object({ token: z.string(), token_id: z.string() })

/** Contracts that change while they run. */
export const FLOW_ACTIONS: readonly Action[] = [
  {
    name: 'reroute a stream',
    weight: 2,
    async run({ rig, random }) {
      const stream_id = oneOf(random, [CARD_STREAM, 'cam-1'])
      const { status, body } = await rig.hub.api('POST', '/v1/reroute', { stream_id, reason: 'soak' })
      if (status !== 200) throw new Error(JSON.stringify(body))
    },
  },
  {
    name: 'read, limit and rank',
    weight: 2,
    async run({ rig, random }) {
      const { hub } = rig
      const stream = oneOf(random, ['cam-1', 'cam-2', CARD_STREAM])
      const priority = 1 + random.below(255)
      await hub.api('PUT', `/v1/streams/${stream}/priority`, { priority })
      for (const path of [
        '/v1/viewers',
        '/v1/alarms',
        '/v1/audit',
        '/v1/links',
        `/v1/streams/${stream}/statistics`,
      ])
        await hub.api('GET', path)
      await fetch(`${hub.metricsUrl}/metrics`).then((answer) => answer.text())
    },
  },
  {
    name: 'grant a contract and revoke it',
    weight: 1,
    async run({ rig, random, signal, lane }) {
      const transports = random.below(2) === 0 ? ['rist'] : ['webrtc']
      const stream = `short-${lane}-${random.below(1000)}`
      const { contract_id } = await askToPublish(rig.hub.url, rig.publisherToken, stream, transports)
      await delay(someMs(random, 0, 2000), undefined, { signal }).catch(() => {})
      const { status } = await rig.hub.api('DELETE', `/v1/flows/${contract_id}`)
      if (status !== 204) throw new Error(`revoking answered ${status}`)
    },
  },
  {
    name: 'revoke a token with what it was granted',
    weight: 1,
    async run({ rig, random, lane }) {
      const { hub } = rig
      const wanted = { role: 'publisher', subject: `brief-${lane}`, tenant_id: 'default' }
      const { token, token_id } = issued.parse((await hub.api('POST', '/v1/tokens', wanted)).body)
      const contract = await askToPublish(hub.url, token, `brief-${lane}-${random.below(1000)}`)
      const { status } = await hub.api('DELETE', `/v1/tokens/${token_id}?tenant_id=default`)
      if (status !== 200) throw new Error(`revoking the token answered ${status}`)
      for (let look = 0; look < 100; look += 1) {
        if (!(await listFlows(hub)).some(({ contract_id }) => contract_id === contract.contract_id)) return
        await delay(50)
      }
      throw new Error('the contract outlived its token')
    },
  },
]
