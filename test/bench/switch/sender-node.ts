import { z } from 'zod'
import { nodeKey } from '../../server/auth/node-key.ts'
import { until } from '../../support/until.ts'
import type { SwitchRig } from './rig.ts'

const NODE = 'van'
const LINKS = ['lte-1', 'lte-2', 'lte-3'] as const
const REPORT_EVERY_MS = 500

/** A sender's node with three links of its own, of which a hub's policy uses the best two for class `focus`. */
export interface SenderNode extends AsyncDisposable {
  readonly token: string
}

/** Enrols the node and reports of its links, all in health, until it is disposed of. Resolves when the hub trusts them. */
export async function openSenderNode(rig: SwitchRig): Promise<SenderNode> {
  const wanted = { tenant_id: 'default', roles: ['sender'], node_id: NODE, capabilities: ['*'] }
  const issued = await rig.ask('POST', '/v1/enrolment-tokens', wanted, 201)
  const { token: enrollment_token } = tokenIn.parse(issued)
  const { csr } = await nodeKey()
  const links = LINKS.map((link_id) => ({ link_id, to: 'hub', medium: 'cellular' }))
  const capabilities = { links, transports: [{ transport: 'rist' }] }
  const init = { role: 'sender', capabilities, enrollment_token, csr }
  const made = await rig.hub.api('POST', '/v1/node/init', init, null)
  if (made.status >= 300) throw new Error(`the node was not enrolled: ${JSON.stringify(made.body)}`)
  const about = { role: 'node', subject: NODE, tenant_id: 'default', node_id: NODE }
  const { token } = tokenIn.parse(await rig.ask('POST', '/v1/tokens', about, 201))
  const reporting = setInterval(
    () => void rig.hub.api('POST', '/v1/telemetry', reports(), token),
    REPORT_EVERY_MS,
  )
  const trusted = async () => {
    const { body } = await rig.hub.api('GET', '/v1/links?standing=serving')
    return z.object({ links: z.array(z.unknown()) }).parse(body).links.length === LINKS.length
  }
  await until(trusted, 'the links serve', 30_000)
  return { token, [Symbol.asyncDispose]: async () => clearInterval(reporting) }
}

const tokenIn = z.object({ token: z.string() })

const reports = () =>
  LINKS.map((link_id, index) => ({
    node_id: NODE,
    link_id,
    rtt_ms: 10 + 5 * index,
    jitter_ms: 1,
    loss: 0,
    bitrate_kbps: 1000,
    queue_depth: 0,
    at: Date.now(),
    packets_sent: 100,
    packets_delivered: 100,
  }))
