import type { types } from 'mediasoup'

/** Many streams share one socket each way, and pictures arrive at once. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

/** Where pipes on this machine listen: pipes between two routers, and between a worker and its relay process. */
export const LOOPBACK: types.TransportListenInfo = {
  protocol: 'udp',
  ip: '127.0.0.1',
  recvBufferSize: SOCKET_BUFFER_BYTES,
  sendBufferSize: SOCKET_BUFFER_BYTES,
}

/** The two ends of a pipe. Each closes with the other. */
interface Pipe {
  readonly from: types.PipeTransport
  readonly to: types.PipeTransport
}

/** Pipes by the router where they begin and the router where they end. A pipe that failed or closed is forgotten. */
const pipes = new WeakMap<types.Router, WeakMap<types.Router, Promise<Pipe>>>()

/**
 * A producer's copy on another router, of the same worker or of another. It closes with the producer, and closing it
 * ends the copying.
 *
 * `Router.pipeToRouter` of mediasoup does the same, but where one router closes while the pipe is made, the other end of
 * the pipe stays open for the life of its router.
 * @throws when the producer or one of the routers closes meanwhile
 */
export async function pipeProducer(
  producer: types.Producer,
  from: types.Router,
  to: types.Router,
): Promise<types.Producer> {
  const pipe = await pipeBetween(from, to)
  const consumer = await pipe.from.consume({ producerId: producer.id })
  try {
    // The copy has an id of its own: ids are unique on a worker, and several routers may be on one worker.
    const { kind, rtpParameters, producerPaused: paused } = consumer
    const copy = await pipe.to.produce({ kind, rtpParameters, paused })
    copy.observer.once('close', () => consumer.close())
    consumer.observer.once('close', () => copy.close())
    // The producer may have closed, paused or resumed while the copy was made.
    if (consumer.closed) throw new Error('the producer was closed while it was piped')
    if (consumer.producerPaused !== paused) await pause(copy, consumer.producerPaused)
    // A copy that closes meanwhile fails, and needs neither pause nor resume.
    consumer.on('producerpause', () => void pause(copy, true).catch(() => {}))
    consumer.on('producerresume', () => void pause(copy, false).catch(() => {}))
    return copy
  } catch (error) {
    consumer.close()
    throw error
  }
}

function pause(copy: types.Producer, paused: boolean): Promise<void> {
  return paused ? copy.pause() : copy.resume()
}

function pipeBetween(from: types.Router, to: types.Router): Promise<Pipe> {
  const ofRouter = pipes.get(from) ?? new WeakMap<types.Router, Promise<Pipe>>()
  pipes.set(from, ofRouter)
  const known = ofRouter.get(to)
  if (known) return known
  const forget = () => {
    if (ofRouter.get(to) === made) ofRouter.delete(to)
  }
  const made = openPipe(from, to)
  ofRouter.set(to, made)
  made.then((pipe) => pipe.from.observer.once('close', forget), forget)
  return made
}

async function openPipe(from: types.Router, to: types.Router): Promise<Pipe> {
  const opening = [from, to].map((router) =>
    router.createPipeTransport({ listenInfo: LOOPBACK, enableSctp: false }),
  )
  const opened = await Promise.allSettled(opening)
  const ends = opened.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
  const close = () => {
    for (const end of ends) end.close()
  }
  for (const end of ends) end.observer.once('close', close)
  try {
    const [first, second] = await Promise.all(opening)
    if (!first || !second || ends.some(({ closed }) => closed))
      throw new Error('a router closed while a pipe was made')
    await Promise.all([connect(first, second), connect(second, first)])
    return { from: first, to: second }
  } catch (error) {
    close()
    throw error
  }
}

function connect(end: types.PipeTransport, { tuple }: types.PipeTransport): Promise<void> {
  return end.connect({ ip: tuple.localAddress, port: tuple.localPort })
}
