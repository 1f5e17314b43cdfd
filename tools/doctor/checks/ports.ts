import { type Check, type Finding, fault, fine, named, unknown } from '../check.ts'
import { type PortHolder, portHolder } from '../port-holder.ts'
import { tryPort } from '../try-port.ts'
import { type WantedPort, wantedPorts } from '../wanted-ports.ts'

/** Findings of one range of ports: more would say the same again. */
const MOST_TOLD = 5
/** Characters of a command line that are told. */
const SHOWN = 80
/** Of a running hub: its own process, its media workers, its children. */
const OURS = /server\/main\.ts|mediasoup-worker|sfu\/|turn\/turn-main/

/** Whether each port of the hub can be opened, and who has it where it can't. */
export const ports: Check = {
  name: 'ports',
  async run({ config, hubRuns }) {
    const wanted = wantedPorts(config)
    const findings: Finding[] = []
    let ours = 0
    for (const port of wanted) {
      const code = await tryPort(port.kind, port.host, port.port)
      if (code === null) continue
      const holder = code === 'EADDRINUSE' ? portHolder(port.kind, port.port) : null
      if (hubRuns && code === 'EADDRINUSE' && (holder === null || OURS.test(holder.name))) ours += 1
      else findings.push(findingOf(port, code, holder))
    }
    const free = wanted.length - ours - findings.length
    const told = findings.slice(0, MOST_TOLD)
    if (findings.length > told.length) {
      const more = `${findings.length - told.length} more ports can't be opened`
      told.push(fault('ports', more, 'mend what is named above, and ask again'))
    }
    const having = ours > 0 ? `, and the running hub has ${ours}` : ''
    return [...told, ...(free + ours > 0 ? [fine('ports', `${free} ports can be opened${having}`)] : [])]
  },
}

function findingOf(wanted: WantedPort, code: string, holder: PortHolder | null): Finding {
  const { kind, host, port, setting } = wanted
  const where = `${kind.toUpperCase()} ${host.includes(':') ? `[${host}]` : host}:${port}`
  const other = `or set ${named(setting)} to another`
  switch (code) {
    case 'EADDRINUSE': {
      const who =
        holder === null
          ? 'another program (only root sees which)'
          : `pid ${holder.pid}, ${holder.program.slice(0, SHOWN)},`
      return fault(where, `${who} has the port`, `stop that program, ${other}`)
    }
    case 'EACCES':
      return fault(
        where,
        'this user may not open ports below 1024',
        `give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE (deploy/lanecast.service has it), or run: sysctl -w net.ipv4.ip_unprivileged_port_start=${port}; ${other}`,
      )
    case 'EADDRNOTAVAIL':
      return fault(
        where,
        `no interface of this machine has the address ${host}`,
        `listen on 0.0.0.0, ${other}`,
      )
    case 'ENOTFOUND':
      return fault(where, `nobody knows the name ${host}`, `use an address of this machine, ${other}`)
    default:
      return unknown(where, `the port could not be tried: ${code}`)
  }
}
