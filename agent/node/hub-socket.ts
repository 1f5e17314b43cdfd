import { WebSocket } from 'ws'
import { authorizationOf, connectToHub } from './hub-connection.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Longest message of the hub that is taken, bytes: a configuration of four broadcasts has about 10 kB. */
const MAX_MESSAGE_BYTES = 1024 * 1024

/**
 * A WebSocket to the hub, which opens: by the proxy of the environment, and with the node's certificate. The global
 * WebSocket can present none.
 * @param protocol the subprotocol, such as `protoo`
 * @throws as `connectToHub`
 */
export async function openHubSocket(
  url: URL,
  tls: TlsIdentity | undefined,
  signal: AbortSignal,
  protocol?: string,
): Promise<WebSocket> {
  const connection = await connectToHub(url, tls, signal)
  const plain = new URL(url)
  // TLS is below already.
  plain.protocol = 'ws:'
  return new WebSocket(plain, protocol, {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    createConnection: () => connection,
    headers: { ...authorizationOf(tls) },
  })
}
