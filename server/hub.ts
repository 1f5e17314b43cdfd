import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CodedError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { DEFAULT_TENANT } from '../common/wire/stream.ts'
import { CLASS_PROFILES } from '../policy/classes.ts'
import { prepareIngress } from '../sfu/ingress/ingress-supervisor.ts'
import { StreamRegistry } from '../sfu/stream-registry.ts'
import { WorkerPool } from '../sfu/worker-pool.ts'
import { ProtooGateway } from '../signaling/protoo-gateway.ts'
import type { Config } from './config/config.ts'
import type { SocketAddress } from './config/setting.ts'
import { mediaEvents } from './events.ts'
import { Health } from './health.ts'
import { httpApp } from './http-app.ts'
import { Metrics } from './metrics.ts'

export interface Hub extends AsyncDisposable {
  /** Where HTTP listens, e.g. `http://127.0.0.1:9415`. */
  readonly url: string
  readonly metricsUrl: string
  readonly streams: StreamRegistry
  readonly workers: WorkerPool
}

/**
 * Puts the hub together and starts it; what is returned owns everything and closes it in reverse order. Half
 * started is never left behind: when a part fails, those before it are closed and the error is thrown.
 */
export async function openHub(config: Config, logger: Logger): Promise<Hub> {
  await using stack = new AsyncDisposableStack()
  const metrics = new Metrics({
    sessions: () => gateway.connections,
    streamsByState: () => countBy(streams.list().map((stream) => stream.state.state)),
  })
  const events = mediaEvents(metrics, logger)

  const prepared = prepareIngress()
  const workers = stack.use(
    await WorkerPool.open({
      count: config.workers,
      webRtc: {
        ip: config.rtcIp,
        announcedAddress: config.rtcAnnounced === '' ? null : config.rtcAnnounced,
        basePort: config.rtcPort,
      },
      events,
      onReplaced: () => streams.workerReplaced(),
    }),
  )
  await prepared
  const streams: StreamRegistry = stack.use(
    new StreamRegistry(
      { rist: config.ristPorts, rtp: config.rtpPorts },
      { chooseSlot: () => workers.leastLoaded((slot) => streams.lanesOn(slot)), events, logger },
    ),
  )
  const gateway = new ProtooGateway({ maxConnections: config.maxConnections, events, streams })
  const health = stack.use(
    new Health({
      workersUp: () => workers.slots.length,
      workersWanted: workers.size,
      connections: () => gateway.connections,
      maxConnections: config.maxConnections,
    }),
  )
  const app = httpApp({
    streams,
    health,
    metrics,
    events,
    routerCapabilities: () => workers.slots[0]?.router.rtpCapabilities ?? null,
  })
  const http = createServer(
    { keepAliveTimeout: config.idleMs, requestTimeout: config.readMs, headersTimeout: config.readMs },
    app,
  )
  http.setTimeout(config.writeMs)
  http.on('upgrade', (request, socket, head) => {
    if (request.url?.split('?', 1)[0] === '/protoo') gateway.upgrade(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  })
  const url = await listen(http, config.bind, stack)
  // Closed before the listener, which waits for its WebSockets.
  stack.use(gateway)
  const metricsUrl = await listen(
    createServer((request, response) => {
      if (request.url !== '/metrics') return void response.writeHead(404).end()
      metrics.registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
        (error) => {
          events.error('http', 'metrics', error)
          response.writeHead(500).end()
        },
      )
    }),
    config.metrics,
    stack,
  )
  for (const stream of config.streams) openConfigured(streams, config, stream)
  stack.defer(() => health.drain())
  const owned = stack.move()
  return { url, metricsUrl, streams, workers, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function openConfigured(streams: StreamRegistry, config: Config, stream: Config['streams'][number]): void {
  const { minMs, maxMs, rttMultiple } = CLASS_PROFILES[stream.class].ristBuffer
  streams.open({
    tenantId: DEFAULT_TENANT,
    streamId: stream.stream_id,
    streamClass: stream.class,
    logLevel: config.logLevel,
    links: stream.ports ?? stream.links,
    input: {
      address: config.ristIp,
      passphrase: stream.passphrase,
      aes_bits: stream.aes_bits,
      authentication: stream.authentication,
      username: stream.username ?? '',
      password: stream.password ?? '',
      buffer: { start_ms: minMs, min_ms: minMs, max_ms: maxMs, rtt_multiple: rttMultiple },
    },
  })
}

async function listen(server: Server, address: SocketAddress, stack: AsyncDisposableStack): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
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
    server.closeAllConnections()
    await closed
  })
  const { port, family, address: host } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
