import type { TLSSocket } from 'node:tls'
import { CodedError, messageOf } from '../../common/errors.ts'
import { connectToHub } from '../node/hub-connection.ts'
import type { NodeIdentity } from '../node/node-identity.ts'
import { type Finding, findingsOf } from './finding.ts'

const CONNECT_MS = 10_000
/** A hub that is further away than this makes every request of a viewer late, ms. */
const FAR_MS = 1500

/** Whether the hub can be reached as this node, by the way that the agent takes. Nothing is asked of it. */
export async function hubFindings(identity: NodeIdentity | undefined): Promise<readonly Finding[]> {
  const { fine, warning, fault } = findingsOf('hub')
  if (!identity) return [fault('this machine is enrolled nowhere', 'lanecast-agent enrol URL TOKEN')]
  const { node_id, hub_url } = identity
  const startedAt = performance.now()
  try {
    const socket = await connectToHub(new URL(hub_url), identity, AbortSignal.timeout(CONNECT_MS))
    const ms = Math.round(performance.now() - startedAt)
    const protocol = 'getProtocol' in socket ? (socket as TLSSocket).getProtocol() : 'no TLS'
    socket.destroy()
    const about = `${hub_url} answers ${node_id} in ${ms} ms (${protocol})`
    return [ms > FAR_MS ? warning(about, 'its way is long: try another uplink') : fine(about)]
  } catch (error) {
    const [how] = error instanceof CodedError ? error.details : []
    const change =
      how ?? 'look after the uplinks, the address of the hub, and HTTPS_PROXY where there is a proxy'
    return [fault(`${hub_url} can not be reached: ${messageOf(error)}`, change)]
  }
}
