import { BlockList, isIP } from 'node:net'
import { SETTINGS } from '../../../server/config/settings.ts'
import { askStun } from '../../../server/media-addresses/ask-stun.ts'
import { isLoopback } from '../../../server/tls/loopback.ts'
import {
  type Check,
  type DoctorContext,
  type Finding,
  fault,
  fine,
  named,
  unknown,
  warning,
} from '../check.ts'

/** RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291: nobody on the internet can send there. */
const inner = new BlockList()
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
] as const)
  inner.addSubnet(net, bits)
inner.addSubnet('fc00::', 7, 'ipv6')
inner.addSubnet('fe80::', 10, 'ipv6')

const ASK_MS = 4000

/** Whether viewers and senders are told addresses that they can reach. */
export const mediaAddresses: Check = {
  name: 'media addresses',
  async run(context) {
    const { config, addresses } = context
    const { rtc, rist } = addresses.announced
    const findings = [
      ...told('viewers', rtc, config.rtcIp, SETTINGS.rtcIp, SETTINGS.rtcAnnounced, context),
      ...told('field senders', rist, config.ristIp, SETTINGS.ristIp, SETTINGS.ristAnnounced, context),
    ]
    if (addresses.failure !== null)
      findings.push(
        fault(
          named(SETTINGS.stunServer),
          addresses.failure,
          `open UDP to it, or name another server, or set ${named(SETTINGS.rtcAnnounced)} and ${named(SETTINGS.ristAnnounced)} by hand`,
        ),
      )
    return [...findings, ...(await seen(context))]
  },
}

type Names = { readonly env: string; readonly key: string }

function told(
  who: string,
  address: string,
  ip: string,
  listen: Names,
  announced: Names,
  { config }: DoctorContext,
): Finding[] {
  const outside = !isLoopback(config.bind.host)
  if (isLoopback(address) && outside)
    return [
      fault(
        named(listen),
        `${who} elsewhere are told ${address}, which is their own machine`,
        isLoopback(ip) ? `set ${named(listen)} to 0.0.0.0` : `set ${named(announced)} to the public address`,
      ),
    ]
  const family = isIP(address)
  if (family !== 0 && outside && inner.check(address, family === 6 ? 'ipv6' : 'ipv4'))
    return [
      warning(
        named(announced),
        `${who} are told ${address}, which only this network reaches`,
        `set ${named(announced)} to the public address, or ${named(SETTINGS.stunServer)} to find it`,
      ),
    ]
  return [fine(named(announced), `${who} are told ${address}`)]
}

/** What a STUN server sees, beside an address that was set by hand. */
async function seen({ config, signal }: DoctorContext): Promise<Finding[]> {
  const { stunServer, rtcAnnounced, rtcIp } = config
  if (stunServer === null)
    return [
      unknown(
        named(SETTINGS.stunServer),
        'no STUN server is named: nobody says how this machine is seen from outside',
      ),
    ]
  if (isIP(rtcAnnounced) === 0) return []
  const { address } = await askStun(stunServer, rtcIp, ASK_MS, signal)
  if (address === rtcAnnounced) return []
  return [
    warning(
      named(SETTINGS.rtcAnnounced),
      `it is ${rtcAnnounced}, and the STUN server sees this machine at ${address}`,
      `set it to ${address}, or leave it out so that it is found`,
    ),
  ]
}
