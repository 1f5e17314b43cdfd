import { ChildWatch } from '../../common/supervision/child-watch.ts'
import { Relays } from '../../sfu/relay/relays.ts'
import { freeUdpPorts } from './udp-ports.ts'

/** Relays on free ports of this machine, for up to four workers. Dispose of them where anybody publishes. */
export async function openRelays(): Promise<Relays> {
  const ports = await freeUdpPorts(4)
  return new Relays(() => ports.pop()!, { watch: new ChildWatch(), trouble: () => {} })
}
