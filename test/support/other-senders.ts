import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freeUdpPorts } from './udp-ports.ts'

/**
 * Other people's RIST senders, with the very commands that README shows: `ristsender` of Debian's rist-tools, fed by
 * ffmpeg over UDP, and ffmpeg's own `rist://`. Both take secrets in URLs, where `ps` shows them: that is how these
 * programs are.
 */

export interface SenderSecrets {
  readonly passphrase?: string
  readonly username?: string
  readonly password?: string
}

/** A link of a `rist://` sender. */
export interface LinkUrl extends SenderSecrets {
  readonly port: number
  /** What statistics call the link. */
  readonly cname?: string
  /** 0 duplicates every packet on every link, above 0 shares them in this proportion. */
  readonly weight?: number
}

/**
 * The URL of one link. librist takes `secret` alone for no encryption at all: `aes-type` has to go with it.
 * `username` and `password` are SRP's, and `rtt-min` lets retransmissions come as early as the link allows.
 */
export function ristUrl({ port, cname, weight, passphrase, username, password }: LinkUrl): string {
  const query = {
    ...(passphrase === undefined ? {} : { 'aes-type': '256', secret: passphrase }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(cname === undefined ? {} : { cname }),
    ...(weight === undefined ? {} : { weight: String(weight) }),
    'rtt-min': '10',
  }
  const text = Object.entries(query).map(([key, value]) => `${key}=${value}`)
  return `rist://127.0.0.1:${port}?${text.join('&')}`
}

/** `ristsender` from a local UDP port to every link; `-b` is the buffer in ms. */
export function ristsenderArguments(udpPort: number, links: readonly LinkUrl[]): string[] {
  return ['-b', '200', '-i', `udp://127.0.0.1:${udpPort}`, '-o', links.map(ristUrl).join(',')]
}

/** What any live encoder has to do: no B-frames, a keyframe twice a second, Opus or AAC, MPEG-TS. */
export const LIVE_ENCODING = [
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-bf', '0', '-g', '15'],
  ...['-pix_fmt', 'yuv420p', '-b:v', '1M', '-c:a', 'libopus', '-b:a', '64k', '-f', 'mpegts'],
] as const

/** A live source of moving pictures and a tone. */
export const LIVE_SOURCE = [
  ...['-re', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30'],
  ...['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'],
] as const

/** ffmpeg into the UDP port that `ristsender` reads. */
export function ffmpegToUdp(udpPort: number, input: readonly string[]): string[] {
  return [...QUIET, ...input, `udp://127.0.0.1:${udpPort}?pkt_size=1316`]
}

/** ffmpeg straight to a link. It has no SRP in any release, so only a stream that asks for none takes it. */
export function ffmpegToRist(link: LinkUrl, input: readonly string[]): string[] {
  return [...QUIET, ...input, ristUrl(link)]
}

/** Plays a file as it is, for what costs next to nothing. */
export const playFile = (path: string): string[] => [
  '-re',
  '-i',
  path,
  '-map',
  '0',
  '-c',
  'copy',
  '-f',
  'mpegts',
]

const QUIET = ['-hide_banner', '-loglevel', 'error', '-nostdin'] as const

/** Starts `ffmpeg | ristsender`; disposing it ends both. */
export async function startRistsender(
  links: readonly LinkUrl[],
  input: readonly string[] = [...LIVE_SOURCE, ...LIVE_ENCODING],
): Promise<AsyncDisposable> {
  const [udpPort] = await freeUdpPorts(1)
  await using stack = new AsyncDisposableStack()
  stack.use(startProgram('ristsender', ristsenderArguments(udpPort!, links)))
  stack.use(startProgram('ffmpeg', ffmpegToUdp(udpPort!, input)))
  return stack.move()
}

/** Starts `ffmpeg … rist://`. */
export function startFfmpegRist(
  link: LinkUrl,
  input: readonly string[] = [...LIVE_SOURCE, ...LIVE_ENCODING],
): AsyncDisposable {
  return startProgram('ffmpeg', ffmpegToRist(link, input))
}

function startProgram(program: string, args: readonly string[]): AsyncDisposable {
  const child = spawn(program, args, { stdio: 'ignore' })
  const exited = once(child, 'exit')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
