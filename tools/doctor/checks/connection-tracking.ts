import { type Check, fault, fine, warning } from '../check.ts'

/** From this share on new connections are soon dropped. */
const FULL = 0.95
const NEARLY_FULL = 0.7

/** Whether the firewall has room for connections: where it has none, it drops packets without a word. */
export const connectionTracking: Check = {
  name: 'connection tracking',
  async run({ sysctl }) {
    const name = 'net.netfilter.nf_conntrack_max'
    const [most, now] = [Number(sysctl(name) ?? 0), Number(sysctl('net.netfilter.nf_conntrack_count') ?? 0)]
    if (most === 0) return [fine(name, 'connections are not tracked')]
    const share = now / most
    const what = `the firewall tracks ${now} of at most ${most} connections`
    const change = `sysctl -w ${name}=${Math.max(262_144, most * 4)}, or track no media: nft add rule … udp dport … notrack`
    if (share >= FULL) return [fault(name, what, change)]
    return share >= NEARLY_FULL ? [warning(name, what, change)] : [fine(name, what)]
  },
}
