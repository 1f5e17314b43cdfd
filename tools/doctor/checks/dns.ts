import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { SETTINGS } from '../../../server/config/settings.ts'
import { type Check, type Finding, fault, fine, named, unknown, warning } from '../check.ts'

/** Whether the names of this hub lead to it. */
export const dns: Check = {
  name: 'dns',
  async run({ config, addresses }) {
    const names = [...config.tlsNames, config.rtcAnnounced, config.ristAnnounced, config.bind.host]
    const unique = [...new Set(names)].filter(
      (name) => name !== '' && isIP(name) === 0 && !name.startsWith('*'),
    )
    const own = Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).map(({ address }) => address),
    )
    const known = new Set([...own, ...Object.values(addresses.announced)])
    if (unique.length === 0) return [fine('names', 'the configuration has no names to look up')]
    return await Promise.all(unique.map((name) => leads(name, known)))
  },
}

async function leads(name: string, known: ReadonlySet<string>): Promise<Finding> {
  try {
    const all = (await lookup(name, { all: true })).map(({ address }) => address)
    const elsewhere = all.filter((address) => !known.has(address))
    if (elsewhere.length === 0) return fine(name, `the name leads here, to ${all.join(', ')}`)
    if (elsewhere.length < all.length)
      return warning(
        name,
        `the name leads here, and also to ${elsewhere.join(', ')}, which is not known to be this machine: browsers and CAs may go there`,
        `remove the A or AAAA records of ${name} that hold the address of another machine`,
      )
    return warning(
      name,
      `the name leads to ${all.join(', ')}, and none of that is known to be this machine`,
      `let the A or AAAA record of ${name} hold one of this machine's addresses; behind a NAT set ${named(SETTINGS.stunServer)} or ${named(SETTINGS.rtcAnnounced)}, so that the public address is known`,
    )
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error)
    // The name server did not answer: nothing is known of the name.
    if (code === 'EAI_AGAIN')
      return unknown(
        name,
        `the name servers of this machine don't answer: ${code}`,
        'look at /etc/resolv.conf, and let UDP and TCP 53 out: the hub needs names for certificates, STUN and webhooks',
      )
    return fault(
      name,
      `the name can't be resolved: ${code}`,
      `give ${name} an A or AAAA record, or leave it out of ${named(SETTINGS.tlsNames)}`,
    )
  }
}
