import { SETTINGS } from './settings.ts'

type Range = readonly [first: number, last: number]

/** The parts of a configuration that take UDP ports. */
export interface UdpPorts {
  readonly ristPorts: Range
  readonly rtpPorts: Range
  readonly rtcPort: number
  readonly workers: number
  readonly turnMode: 'embedded' | 'coturn' | 'off'
  readonly turnPort: number
  readonly turnRelayPorts: Range
  readonly streams: readonly { readonly stream_id: string; readonly ports?: readonly number[] | undefined }[]
}

const written = ([first, last]: Range): string => (first === last ? `${first}` : `${first}-${last}`)

/**
 * A UDP port has one use. A second use is reported when the configuration is read, before any part fails to start.
 * @returns a line for each port or range that has two uses
 */
export function sharedPorts({ ristPorts, rtpPorts, rtcPort, workers, streams, ...turn }: UdpPorts): string[] {
  const media: { readonly of: string; readonly ports: Range }[] = [
    { of: SETTINGS.rtpPorts.env, ports: rtpPorts },
  ]
  // With 0 the system chooses free ports.
  if (rtcPort > 0)
    media.push({
      of: `${SETTINGS.rtcPort.env} and the ports of further workers`,
      ports: [rtcPort, rtcPort + workers - 1],
    })
  if (turn.turnMode === 'embedded') {
    media.push({ of: SETTINGS.turnRelayPorts.env, ports: turn.turnRelayPorts })
    if (turn.turnPort > 0) media.push({ of: SETTINGS.turnPort.env, ports: [turn.turnPort, turn.turnPort] })
  }
  const ranges = [...media, { of: SETTINGS.ristPorts.env, ports: ristPorts }]
  const problems: string[] = []
  for (const [index, one] of ranges.entries())
    for (const other of ranges.slice(index + 1))
      if (other.ports[0] <= one.ports[1] && one.ports[0] <= other.ports[1])
        problems.push(
          `${other.of}: ${written(other.ports)} shares UDP ports with ${one.of}, ${written(one.ports)}; each needs ports of its own`,
        )
  const links = new Map<number, string>()
  for (const [index, { stream_id, ports = [] }] of streams.entries())
    for (const port of ports) {
      const where = `streams.${index}.ports (config file): ${port}`
      const other = links.get(port)
      if (other !== undefined)
        problems.push(`${where} is a port of "${other}" already; each link needs a port of its own`)
      for (const { of, ports: range } of media)
        if (port >= range[0] && port <= range[1])
          problems.push(`${where} belongs to ${of}, ${written(range)}; a link needs a port of its own`)
      links.set(port, stream_id)
    }
  return problems
}
