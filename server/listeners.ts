import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { CodedError } from '../common/errors.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { Config } from './config/config.ts'
import type { SocketAddress } from './config/setting.ts'
import type { Doors } from './doors.ts'
import type { Metrics } from './metrics.ts'
import { createServer } from './node-http.ts'
import { endChallenges } from './tls/acme/challenge-alpn.ts'
import type { Tls } from './tls/open-tls.ts'
import { STOPPING, type TakeTurn, turnOnHttps, withTurn } from './tls/turn-on-https.ts'

/** How long answers under way have to leave when the hub stops, ms. */
const LAST_ANSWERS_MS = 2000
/** How long a client has to close a connection that the hub has ended, ms. */
const CLOSE_WITHIN_MS = 1000
/** How often to look for connections whose time is over, ms. */
const CHECK_EVERY_MS = 1000

/** The hub's HTTP server with its time limits; TLS where it is demanded. @param takeTurn of its port, where it has TLS; null for HTTP alone */
export function httpServer(
  app: RequestListener,
  { idleMs, readMs, writeMs }: Pick<Config, 'idleMs' | 'readMs' | 'writeMs'>,
  tls: Tls | null,
  takeTurn: TakeTurn | null = null,
): Server {
  const limits = timeLimits({ idleMs, readMs })
  // Questions for news are held for up to 8 s. Silence until then is neither progress nor fault.
  const silentMs = Math.max(writeMs, 12_000)
  if (!tls) {
    const server = createServer(limits, app)
    server.setTimeout(silentMs)
    return server
  }
  const server = createTlsServer(
    { ...limits, handshakeTimeout: readMs, ...(takeTurn ? withTurn(tls.options) : tls.options) },
    app,
  )
  server.setTimeout(silentMs)
  endChallenges(server)
  const attached = takeTurn ? [server, turnOnHttps(server, tls.options, takeTurn, readMs)] : [server]
  for (const detach of attached.map((each) => tls.attach(each))) server.once('close', detach)
  return server
}

/** Longest waits for clients' data. Node enforces them only each `connectionsCheckingInterval`. */
function timeLimits({ idleMs, readMs }: Pick<Config, 'idleMs' | 'readMs'>) {
  const limits = { keepAliveTimeout: idleMs, requestTimeout: readMs, headersTimeout: readMs }
  return { ...limits, connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, readMs) }
}

/** Upgrades go to the door of their path. There are no other upgrades. */
export function takeUpgrades(server: Server, doors: Pick<Doors, 'ofPath'>): void {
  server.on('upgrade', (request, socket, head) => {
    // Node no longer listens here: without this, a client that is gone before the answer would end the process.
    socket.on('error', () => {})
    // Node no longer ends the socket either: without this, a client that does not close its end would hold it for ever.
    socket.once('finish', () => setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS).unref())
    const door = doors.ofPath(request.url?.split('?', 1)[0])
    if (door) door.take(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  })
}

/** Prometheus alone, for `METRICS_ADDR`. */
export function metricsServer(
  metrics: Metrics,
  events: MediaEvents,
  times: Pick<Config, 'idleMs' | 'readMs' | 'writeMs'>,
): Server {
  const server = createServer(timeLimits(times), (request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end()
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      (error) => {
        events.error('http', 'metrics', error)
        response.writeHead(500).end()
      },
    )
  })
  server.setTimeout(times.writeMs)
  return server
}

/**
 * Listens, and closes with the stack. Returns the URL, with the chosen port where 0 was asked for.
 * @throws CodedError `cannot_listen`
 */
export async function listen(
  server: Server,
  address: SocketAddress,
  stack: AsyncDisposableStack,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    // A later error (too many open files) is about a connection that was not made. The others go on.
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new CodedError('cannot_listen', `can't listen on ${address.host}:${address.port}: ${error.message}`, {
          details:
            error.code === 'EADDRINUSE' ? ['another program has that port: stop it or choose another'] : [],
          cause: error,
        }),
      ),
    )
    server.listen(address.port, address.host, resolve)
  })
  stack.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.emit(STOPPING)
    server.closeIdleConnections()
    // Answers under way still leave.
    const late = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS)
    await closed
    clearTimeout(late)
  })
  const { port, family, address: host } = server.address() as AddressInfo
  const scheme = server instanceof TlsServer ? 'https' : 'http'
  return `${scheme}://${family === 'IPv6' ? `[${host}]` : host}:${port}`
}
