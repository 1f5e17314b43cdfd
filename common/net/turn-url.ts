/** The parts of a TURN URL, RFC 7065. */
export interface TurnUrl {
  readonly host: string
  readonly port: number
  readonly protocol: 'udp' | 'tcp' | 'tls'
}

/** Ports of RFC 8656, section 18: where a URL names none. */
const TURN_PORT = 3478
const TURNS_PORT = 5349

/** @throws TypeError for what is no TURN URL */
export function readTurnUrl(url: string): TurnUrl {
  const read = turnUrl(url)
  if (!read) throw new TypeError(`"${url}" is no TURN URL`)
  return read
}

/** @returns null for what is no TURN URL */
export function turnUrl(url: string): TurnUrl | null {
  const match =
    /^(turns?):(?:\[([0-9a-fA-F:.]+)\]|([^\s:?[\]]+))(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/.exec(url)
  if (!match) return null
  const [, scheme, address, name, port, transport = 'udp'] = match
  const secure = scheme === 'turns'
  return {
    host: address ?? name!,
    port: port === undefined ? (secure ? TURNS_PORT : TURN_PORT) : Number(port),
    protocol: secure ? 'tls' : transport === 'tcp' ? 'tcp' : 'udp',
  }
}
