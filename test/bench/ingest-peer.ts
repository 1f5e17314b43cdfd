import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freeUdpPorts } from '../support/udp-ports.ts'
import {
  AES_BITS,
  AUDIO_PAYLOAD_TYPE,
  BUFFER_MS,
  type IngestRoute,
  type IngestSide,
  VIDEO_PAYLOAD_TYPE,
} from './ingest-side.ts'

/** What anybody can build from packages: `ristreceiver` into `ffmpeg -c copy -f rtp`, for each stream. */
export async function openPeer(routes: readonly IngestRoute[]): Promise<IngestSide> {
  const between = await freeUdpPorts(routes.length)
  const children: ChildProcess[] = []
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => {})
  let closing = false
  const start = (command: string, args: readonly string[]): void => {
    const child = spawn(command, args, { stdio: 'ignore' })
    children.push(child)
    child.once('error', broken.reject)
    child.once('exit', (code, signal) => {
      if (!closing) broken.reject(new Error(`${command} ended: ${signal ?? `exit code ${code}`}`))
    })
  }
  for (const [index, route] of routes.entries()) {
    start('ffmpeg', ffmpegArguments(route, between[index]!))
    start('ristreceiver', ristreceiverArguments(route, between[index]!))
  }
  return {
    pids: children.flatMap(({ pid }) => pid ?? []),
    broken: broken.promise,
    async [Symbol.asyncDispose]() {
      closing = true
      await Promise.all(children.map(stop))
    },
  }
}

/** This program takes its secrets only as arguments. Each round draws new ones. */
function ristreceiverArguments({ stream }: IngestRoute, port: number): string[] {
  const options = new URLSearchParams({
    buffer: String(BUFFER_MS),
    'rtt-min': '10',
    'reorder-buffer': '15',
    secret: stream.passphrase,
    'aes-type': String(AES_BITS),
    username: stream.username,
    password: stream.password,
  })
  const inputs = stream.ports.map((link) => `rist://@127.0.0.1:${link}?${options}`)
  const quiet = ['-S', '0', '-v', '-1']
  return ['-p', '1', ...quiet, '-i', inputs.join(','), '-o', `udp://127.0.0.1:${port}`]
}

function ffmpegArguments({ videoPort, audioPort }: IngestRoute, port: number): string[] {
  const output = (map: string, payloadType: number, to: number) => [
    ...['-map', map, '-c', 'copy', '-payload_type', String(payloadType), '-flush_packets', '1'],
    ...['-f', 'rtp', `rtp://127.0.0.1:${to}?pkt_size=1200`],
  ]
  return [
    ...['-hide_banner', '-loglevel', 'fatal', '-nostdin'],
    ...['-fflags', 'nobuffer', '-flags', 'low_delay', '-probesize', '2000000', '-analyzeduration', '1500000'],
    ...['-max_delay', '0', '-f', 'mpegts'],
    ...['-i', `udp://127.0.0.1:${port}?buffer_size=4194304&overrun_nonfatal=1&fifo_size=0`],
    ...['-muxdelay', '0', '-muxpreload', '0', '-max_interleave_delta', '0'],
    ...output('0:v', VIDEO_PAYLOAD_TYPE, videoPort),
    ...output('0:a', AUDIO_PAYLOAD_TYPE, audioPort),
  ]
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
