type Stat = Readonly<Record<string, unknown>>

/** The present path of media: one pair of ICE candidates. */
export interface SelectedPath {
  /** Round trip of the last ICE check, ms; null before the first. */
  readonly rttMs: number | null
  /** The browser's estimate of what the path carries of its own sending, kb/s; null where the browser does not tell. */
  readonly availableKbps: number | null
  /** `udp` or `tcp`, once connected; to a relay also `tls`. */
  readonly protocol: string | null
  /** The URL of the TURN server that the path goes through, `''` where the browser does not tell; null for a direct path. */
  readonly relay: string | null
}

/**
 * Reads the selected pair from a browser's report (W3C webrtc-stats, `selectedCandidatePairId`). Nomination alone does
 * not decide: several pairs may be nominated one after the other, for instance when TCP connected before UDP.
 */
export function selectedPath(stats: readonly Stat[]): SelectedPath {
  const pairs = stats.filter(({ type }) => type === 'candidate-pair')
  const transport = stats.find((stat) => stat['selectedCandidatePairId'] !== undefined)
  const pair =
    pairs.find(({ id }) => id !== undefined && id === transport?.['selectedCandidatePairId']) ??
    // Firefox marks the pair itself.
    pairs.find((stat) => stat['selected'] === true) ??
    pairs.find((stat) => stat['nominated'] === true)
  const local = stats.find(({ type, id }) => type === 'local-candidate' && id === pair?.['localCandidateId'])
  const rtt = pair?.['currentRoundTripTime']
  const available = pair?.['availableOutgoingBitrate']
  const isRelayed = local?.['candidateType'] === 'relay'
  const protocol = (isRelayed && local['relayProtocol']) || local?.['protocol']
  const url = local?.['url']
  return {
    rttMs: typeof rtt === 'number' ? rtt * 1000 : null,
    availableKbps: typeof available === 'number' ? available / 1000 : null,
    protocol: typeof protocol === 'string' ? protocol : null,
    relay: isRelayed ? (typeof url === 'string' ? url : '') : null,
  }
}
