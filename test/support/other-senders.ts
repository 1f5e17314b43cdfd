import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freeUdpPorts } from './udp-ports.ts'

/**
 * Other RIST senders, with the very commands that README shows: `ristsender` of Debian's rist-tools, fed by ffmpeg over
 * UDP, and ffmpeg's own `rist://`. Both take secrets in URLs, where `ps` shows them: these programs offer no other way.
 */

/** A link of such a sender; what is left out is not in its URL. */
export interface LinkUrl {
  readonly host?: string
  readonly port: number
  readonly passphrase?: string
  readonly username?: string
  readonly password?: string
  /** What statistics call the link. */
  readonly cname?: string
  /** 0 duplicates every packet on every link, above 0 shares them in this proportion. */
  readonly weight?: number
}

/** librist takes `secret` alone for no encryption at all, so `aes-type` must go with it. */
function ristUrl(
  { host = '127.0.0.1', port, ...link }: LinkUrl,
  more: Readonly<Record<string, number>>,
): string {
  const query: Record<string, string | number | undefined> = {
    'aes-type': link.passphrase === undefined ? undefined : 256,
    secret: link.passphrase,
    username: link.username,
    password: link.password,
    cname: link.cname,
    weight: link.weight,
    ...more,
  }
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return `rist://${host}:${port}?${given.map(([name, value]) => `${name}=${value}`).join('&')}`
}

/** `ristsender` from a local UDP port to every link, with a buffer of 200 ms. */
export function ristsenderCommand(udpPort: number, links: readonly LinkUrl[]): string[] {
  const urls = links.map((link) => ristUrl(link, { 'rtt-min': 10 }))
  return ['ristsender', '-b', '200', '-i', udpUrl(udpPort), '-o', urls.join(',')]
}

/** ffmpeg that encodes as the hub wants it, into the UDP port that `ristsender` reads. */
export function ffmpegToRistsenderCommand(udpPort: number, input: string): string[] {
  return encode(input, `${udpUrl(udpPort)}?pkt_size=1316`)
}

/** ffmpeg with its common defaults: datagrams of 1472 bytes, which cut packets anywhere. */
export function ffmpegInUncutDatagrams(udpPort: number, input: string): string[] {
  return encode(input, udpUrl(udpPort))
}

/** ffmpeg straight to one link. No release of ffmpeg has SRP: the stream must do without. */
export function ffmpegCommand(link: LinkUrl, input: string): string[] {
  return encode(input, ristUrl(link, { buffer: 200 }))
}

/**
 * Starts `ffmpeg | ristsender`; disposing it ends both.
 * @param toUdp ffmpeg's part, when it is not the one in README
 */
export async function startRistsender(
  links: readonly LinkUrl[],
  input: string,
  toUdp: (udpPort: number, input: string) => string[] = ffmpegToRistsenderCommand,
): Promise<AsyncDisposable> {
  const [udpPort] = await freeUdpPorts(1)
  await using stack = new AsyncDisposableStack()
  stack.use(start(ristsenderCommand(udpPort!, links)))
  stack.use(start(toUdp(udpPort!, input)))
  return stack.move()
}

/** Starts `ffmpeg … rist://`. */
export function startFfmpeg(link: LinkUrl, input: string): AsyncDisposable {
  return start(ffmpegCommand(link, input))
}

const udpUrl = (port: number): string => `udp://127.0.0.1:${port}`

function encode(input: string, output: string): string[] {
  return [
    ...['ffmpeg', '-re', '-i', input],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-bf', '0', '-g', '15'],
    // Otherwise ffmpeg gathers a tenth of a second of sound before it sends any.
    ...['-pix_fmt', 'yuv420p', '-c:a', 'libopus', '-pes_payload_size', '0', '-f', 'mpegts', output],
  ]
}

function start([program, ...args]: readonly string[]): AsyncDisposable {
  const child = spawn(program!, args, { stdio: 'ignore' })
  const exited = once(child, 'exit')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
