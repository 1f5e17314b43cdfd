import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectSecure,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { CodedError } from '../../common/errors.ts'
import { proxyOf, tunnel } from './proxy.ts'
import type { TlsIdentity } from './tls-identity.ts'
import { isGoodButForTime } from './untimely-certificate.ts'

/**
 * A connection to the hub, for any protocol above it: direct or by the proxy of the environment, and by TLS with the
 * node's certificate where the address asks for that. A hub whose certificate is good but for this machine's wrong clock
 * is taken if a CA of the hub's own signed it.
 * @throws CodedError `proxy_invalid`, `proxy_refuses`, `hub_untrusted`; or the error of the connection
 */
export async function connectToHub(
  url: URL,
  identity: TlsIdentity | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  if (!isSecure(url)) return connectPlainly(url, signal)
  const socket = await connectUnjudged(url, identity ?? NOBODY, signal)
  try {
    judge(socket, hostOf(url), identity)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** A TLS connection to whoever answers there: the caller judges who that is, and says nothing before. */
export async function connectUnjudged(
  url: URL,
  identity: TlsIdentity,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const host = hostOf(url)
  const socket = connectSecure({
    socket: await connectPlainly(url, signal),
    host,
    // An address is no server name (RFC 6066 section 3).
    ...(isIP(host) === 0 && { servername: host }),
    secureContext: contextOf(identity),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false,
  })
  try {
    await once(socket, 'secureConnect', { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

const isSecure = ({ protocol }: URL): boolean => protocol === 'https:' || protocol === 'wss:'
const hostOf = ({ hostname }: URL): string => hostname.replaceAll(/[[\]]/g, '')

async function connectPlainly(url: URL, signal: AbortSignal): Promise<Socket> {
  const host = hostOf(url)
  const port = Number(url.port || (isSecure(url) ? 443 : 80))
  const proxy = proxyOf(url, process.env)
  return proxy ? tunnel(proxy, host, port, signal) : dial(host, port, signal)
}

const NOBODY: TlsIdentity = { authorities: [] }
/** To read all CAs of the system takes longer than a handshake. */
const contexts = new WeakMap<TlsIdentity, SecureContext>()

function contextOf(identity: TlsIdentity): SecureContext {
  const present = contexts.get(identity)
  if (present) return present
  const { key, certificate, authorities } = identity
  const made = createSecureContext({
    ca: [...getCACertificates('default'), ...authorities],
    ...(key !== undefined && certificate !== undefined && { key, cert: certificate }),
  })
  contexts.set(identity, made)
  return made
}

async function dial(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  // Not as an option: an abort would end the connection later, too.
  const socket = connectPlain({ host, port, noDelay: true })
  try {
    await once(socket, 'connect', { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** @throws CodedError `hub_untrusted` */
function judge(socket: TLSSocket, host: string, identity: TlsIdentity | undefined): void {
  if (socket.authorized) return
  const certificate = socket.getPeerX509Certificate()
  const problem = problemOf(socket)
  const wrongName = certificate && checkServerIdentity(host, certificate.toLegacyObject())
  const isGood =
    certificate !== undefined &&
    !wrongName &&
    isGoodButForTime({
      problem,
      certificate,
      pinned: (identity?.authorities ?? []).map((pem) => new X509Certificate(pem)),
      knownSince: knownSince(identity),
    })
  if (!isGood)
    throw new CodedError('hub_untrusted', `the hub's certificate is not trusted: ${problem}`, {
      details: wrongName ? [wrongName.message] : [],
    })
}

/** A node has heard the hub when its certificate was made. Before that only the CA's own start is known. */
function knownSince({ certificate, authorities = [] }: Partial<TlsIdentity> = {}): number {
  if (certificate !== undefined) return Date.parse(new X509Certificate(certificate).validFrom)
  return Math.max(0, ...authorities.map((pem) => Date.parse(new X509Certificate(pem).validFrom)))
}

/** Node's types say that this is an Error; it is the name of OpenSSL's error, or an Error for a wrong name. */
function problemOf({ authorizationError }: TLSSocket): string {
  const problem: unknown = authorizationError
  return problem instanceof Error ? problem.message : String(problem)
}

/** The head of a request, or of a WebSocket's, of a node that proves itself by a token. */
export function authorizationOf(identity: TlsIdentity | undefined): { readonly authorization?: string } {
  return identity?.token === undefined ? {} : { authorization: `Bearer ${identity.token}` }
}
