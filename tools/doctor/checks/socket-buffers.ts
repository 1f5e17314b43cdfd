import { type Check, type DoctorContext, type Finding, fine, unknown, warning } from '../check.ts'

/** What the hub asks for, bytes (sfu/router-pipes.ts, sfu/lane/lane.ts, turn/): the kernel gives no more than its maximum. */
export const WANTED_BYTES = 4 * 1024 * 1024
/** All UDP sockets together; a page is 4 KiB. */
const LEAST_UDP_PAGES = 16_384

const FILE = '/etc/sysctl.d/90-lanecast.conf (deploy/90-lanecast.conf has all of them)'

/** How much the kernel lets UDP sockets hold. */
export const socketBuffers: Check = {
  name: 'socket buffers',
  run: async (context) => [
    buffer(context, 'net.core.rmem_max', 'a burst of packets'),
    buffer(context, 'net.core.wmem_max', 'a keyframe for many viewers'),
    udpMemory(context),
  ],
}

function buffer({ sysctl }: DoctorContext, name: string, what: string): Finding {
  const value = Number(sysctl(name) ?? Number.NaN)
  if (Number.isNaN(value)) return unknown(name, 'this kernel does not say it')
  if (value >= WANTED_BYTES) return fine(name, `${value} bytes`)
  return warning(
    name,
    `UDP sockets hold at most ${value} bytes, and lose packets of ${what}`,
    `sysctl -w ${name}=${WANTED_BYTES}, and the same line in ${FILE}`,
  )
}

function udpMemory({ sysctl }: DoctorContext): Finding {
  const name = 'net.ipv4.udp_mem'
  const pages = Number(sysctl(name)?.split(/\s+/)[2] ?? Number.NaN)
  if (Number.isNaN(pages)) return unknown(name, 'this kernel does not say it')
  if (pages >= LEAST_UDP_PAGES) return fine(name, `${pages} pages for all UDP sockets`)
  return warning(
    name,
    `all UDP sockets together hold at most ${pages} pages`,
    `sysctl -w ${name}="8192 12288 ${LEAST_UDP_PAGES}", and the same line in ${FILE}`,
  )
}
