type Stat = Readonly<Record<string, unknown>>

/** The way that media takes now: one pair of ICE candidates. */
export interface SelectedPath {
  /** Round trip of the last ICE check, ms; null before the first. */
  readonly rttMs: number | null
  /** What the browser thinks that the way carries of what it sends, kb/s; null where it does not tell. */
  readonly availableKbps: number | null
  /** `udp` or `tcp`, once connected. */
  readonly protocol: string | null
}

/**
 * Reads the selected pair out of a browser's report (W3C webrtc-stats, `selectedCandidatePairId`). Several pairs may be
 * nominated, one after the other, as when TCP connected before UDP did: that alone tells nothing.
 */
export function selectedPath(stats: readonly Stat[]): SelectedPath {
  const pairs = stats.filter(({ type }) => type === 'candidate-pair')
  const transport = stats.find((stat) => stat['selectedCandidatePairId'] !== undefined)
  const pair =
    pairs.find(({ id }) => id !== undefined && id === transport?.['selectedCandidatePairId']) ??
    // Firefox says it of the pair itself.
    pairs.find((stat) => stat['selected'] === true) ??
    pairs.find((stat) => stat['nominated'] === true)
  const local = stats.find(({ type, id }) => type === 'local-candidate' && id === pair?.['localCandidateId'])
  const rtt = pair?.['currentRoundTripTime']
  const available = pair?.['availableOutgoingBitrate']
  const protocol = local?.['protocol']
  return {
    rttMs: typeof rtt === 'number' ? rtt * 1000 : null,
    availableKbps: typeof available === 'number' ? available / 1000 : null,
    protocol: typeof protocol === 'string' ? protocol : null,
  }
}
