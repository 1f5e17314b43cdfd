import type { Page } from 'playwright-core'

/** What a page has made of WebRTC so far. */
export interface PeerConnections {
  /** RTCPeerConnections that were ever made, without those that only ask for capabilities. */
  readonly made: number
  /** SSRCs of the media that is received or sent now, by the last connected one. */
  readonly ssrcs: readonly number[]
  /** Address of this side's candidate in the selected pair, and its protocol; null while there is none. */
  readonly local: { readonly address: string; readonly protocol: string; readonly type: string } | null
}

/** Counts the page's peer connections from its next navigation on. */
export async function countPeerConnections(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const connections: RTCPeerConnection[] = []
    Object.assign(globalThis, { connections })
    const original = RTCPeerConnection.prototype.setRemoteDescription
    RTCPeerConnection.prototype.setRemoteDescription = function (this: RTCPeerConnection, description) {
      if (!connections.includes(this)) connections.push(this)
      return Reflect.apply(original, this, [description])
    }
  })
}

export async function peerConnections(page: Page): Promise<PeerConnections> {
  return page.evaluate(async () => {
    const { connections } = globalThis as unknown as { connections: RTCPeerConnection[] }
    const stats = [...((await connections.at(-1)?.getStats())?.values() ?? [])]
    const ssrcs = stats
      .filter(({ type }) => type === 'inbound-rtp' || type === 'outbound-rtp')
      .map(({ ssrc }) => Number(ssrc))
      .toSorted((a, b) => a - b)
    const transport = stats.find(({ selectedCandidatePairId }) => selectedCandidatePairId !== undefined)
    const pair = stats.find(({ id }) => id === transport?.selectedCandidatePairId)
    const candidate = stats.find(({ id }) => id === pair?.localCandidateId)
    const local = candidate && {
      address: String(candidate.address),
      protocol: String(candidate.protocol),
      type: String(candidate.candidateType),
    }
    return { made: connections.length, ssrcs, local: local ?? null }
  })
}
