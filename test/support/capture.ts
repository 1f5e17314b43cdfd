import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from './until.ts'

/** A packet on the wire. */
export interface Captured {
  /** ms of the kernel's clock */
  readonly at: number
  /** With the headers of IP, without those of Ethernet. */
  readonly bytes: number
  /** UDP port that it goes to. */
  readonly port: number
}

export interface Capture extends AsyncDisposable {
  readonly packets: readonly Captured[]
  /** Ends the capture. @returns how many packets the kernel had no room for */
  end(): Promise<number>
}

const FILE_HEADER = 24
const PACKET_HEADER = 16
const ETHERNET = 14
/** Magic number of a capture with ns, in the byte order of this machine. */
const NANOSECONDS = 0xa1b23c4d

/**
 * Records UDP over IPv4 on an interface of this process's network namespace by tcpdump, with the kernel's times.
 * @param filter in pcap's language, such as `dst port 5000`
 */
export async function capture(device: string, filter: string): Promise<Capture> {
  // Headers only: the kernel's buffer then holds thousands of packets.
  const words = ['-i', device, '-n', '-s', '128', '-B', '8192', '-U', '--immediate-mode']
  words.push('--time-stamp-precision=nano', '-w', '-')
  const child = spawn('tcpdump', [...words, '-Z', 'root', `udp and ip and ${filter}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const packets: Captured[] = []
  let rest: Buffer = Buffer.alloc(0)
  let begun = false
  child.stdout.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    if (!begun && rest.length >= FILE_HEADER) {
      if (rest.readUInt32LE(0) !== NANOSECONDS) throw new Error('tcpdump writes another kind of capture')
      rest = rest.subarray(FILE_HEADER)
      begun = true
    }
    while (begun && rest.length >= PACKET_HEADER) {
      const length = rest.readUInt32LE(8)
      if (rest.length < PACKET_HEADER + length) return
      const ip = rest.subarray(PACKET_HEADER + ETHERNET, PACKET_HEADER + length)
      const udp = (ip[0]! & 0x0f) * 4
      packets.push({
        at: rest.readUInt32LE(0) * 1000 + rest.readUInt32LE(4) / 1e6,
        bytes: ip.readUInt16BE(2),
        port: ip.readUInt16BE(udp + 2),
      })
      rest = rest.subarray(PACKET_HEADER + length)
    }
  })
  await until(() => /listening on/.test(said) || child.exitCode !== null, 'tcpdump listens')
  if (child.exitCode !== null) throw new Error(`tcpdump ended: ${said}`)
  const end = async (): Promise<number> => {
    const ended = child.exitCode !== null || once(child, 'close')
    child.kill('SIGTERM')
    await ended
    return Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? Number.NaN)
  }
  return { packets, end, [Symbol.asyncDispose]: async () => void (await end()) }
}

/**
 * The largest number of bytes, in each stretch of time, by which packets outran a steady rate: what a bucket of that rate would have to hold. One
 * packet alone counts in full.
 * @param kbps the rate
 */
export function burstsOf(packets: readonly Captured[], kbps: number, stretchMs: number): number[] {
  const perMs = kbps / 8
  const bursts = new Map<number, number>()
  let ahead = 0
  let at = 0
  for (const packet of packets) {
    ahead = Math.max(0, ahead - (packet.at - at) * perMs) + packet.bytes
    at = packet.at
    const stretch = Math.floor(at / stretchMs)
    bursts.set(stretch, Math.max(bursts.get(stretch) ?? 0, ahead))
  }
  return [...bursts.values()]
}
