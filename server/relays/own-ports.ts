import type { TurnPeers } from '../../common/wire/turn-ipc.ts'
import type { Config } from '../config/config.ts'

/**
 * The UDP ports of this machine that clients send media to: those of WebRTC, and of RIST. They are not known where the
 * system chooses the workers' ports, as in tests.
 */
export function ownPorts({
  rtcPort,
  workers,
  ristPorts,
  streams,
}: Pick<Config, 'rtcPort' | 'workers' | 'ristPorts' | 'streams'>): Pick<TurnPeers, 'own_ports'> {
  if (rtcPort === 0) return {}
  const links = streams.flatMap(({ ports = [] }) => ports)
  return {
    own_ports: [
      [rtcPort, rtcPort + workers - 1],
      [...ristPorts],
      ...links.map((port): [number, number] => [port, port]),
    ],
  }
}
