import { z } from 'zod'
import { nodeKey } from '../server/auth/node-key.ts'
import type { TestHub } from './hub.ts'
import { until } from './until.ts'

const NODE = 'van-1'
const LINKS = ['lte-1', 'lte-2', 'lte-3'] as const
const REPORT_EVERY_MS = 500

/** A sender's node with three links of its own, of which a hub's policy uses the best two for class `focus`. */
export interface SenderNode extends AsyncDisposable {
  readonly token: string
  readonly links: readonly string[]
  /** Links that deliver nothing from now on, as the node reports. */
  readonly dead: Set<string>
}

/** Enrols the node and reports of its links until it is disposed of. Resolves when the hub trusts all of them. */
export async function openSenderNode(hub: TestHub): Promise<SenderNode> {
  const wanted = { tenant_id: 'default', roles: ['sender'], node_id: NODE, capabilities: ['*'] }
  const issued = await hub.api('POST', '/v1/enrolment-tokens', wanted)
  const { token: enrollment_token } = tokenIn.parse(issued.body)
  const { csr } = await nodeKey()
  const links = LINKS.map((link_id) => ({ link_id, to: 'hub', medium: 'cellular' }))
  const capabilities = { links, transports: [{ transport: 'rist' }] }
  const init = { role: 'sender', capabilities, enrollment_token, csr }
  const made = await hub.api('POST', '/v1/node/init', init, null)
  if (made.status >= 300) throw new Error(`the node was not enrolled: ${JSON.stringify(made.body)}`)
  const about = { role: 'node', subject: NODE, tenant_id: 'default', node_id: NODE }
  const { token } = tokenIn.parse((await hub.api('POST', '/v1/tokens', about)).body)
  const dead = new Set<string>()
  const report = async () => {
    const { status, body } = await hub.api('POST', '/v1/telemetry', reports(dead), token)
    if (status !== 202) throw new Error(`the report was not taken: ${JSON.stringify(body)}`)
  }
  await using stack = new AsyncDisposableStack()
  const reporting = setInterval(() => void report(), REPORT_EVERY_MS)
  stack.defer(() => clearInterval(reporting))
  const trusted = async () => {
    const { body } = await hub.api('GET', '/v1/links?standing=serving')
    return z.object({ links: z.array(z.unknown()) }).parse(body).links.length === LINKS.length
  }
  await until(trusted, 'all links serve', 30_000)
  const owned = stack.move()
  return { token, links: LINKS, dead, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const tokenIn = z.object({ token: z.string() })

const reports = (dead: ReadonlySet<string>) =>
  LINKS.map((link_id, index) => ({
    node_id: NODE,
    link_id,
    rtt_ms: 10 + 5 * index,
    jitter_ms: 1,
    loss: dead.has(link_id) ? 1 : 0,
    bitrate_kbps: 1000,
    queue_depth: 0,
    at: Date.now(),
    packets_sent: 100,
    packets_delivered: dead.has(link_id) ? 0 : 100,
  }))
