import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import {
  type PublishedTrack,
  PublisherClient,
  type PublisherState,
  type PublisherStatistics,
} from '../../signaling/client/index.ts'
import { accessToken } from '../access-token.ts'
import { relayWish } from '../relay-wish.ts'
import type { PublishAddress } from './publish-address.ts'
import type { Settings } from './settings.ts'

export interface Published {
  /** null while nobody wants to be live. */
  readonly state: PublisherState | null
  readonly viewers: number
  readonly statistics: PublisherStatistics | null
  readonly contract: FlowContract | null
  readonly demand: LayerDemand | null
}

const NOTHING: Published = { state: null, viewers: 0, statistics: null, contract: null, demand: null }

interface Media {
  readonly video: MediaStreamTrack | null
  readonly audio: MediaStreamTrack | null
  readonly videoMuted: boolean
  readonly audioMuted: boolean
}

/** Publishes from `goLive` to `stop`, even if tracks change in between. */
export function usePublisher({ streamId, input }: PublishAddress, settings: Settings, media: Media) {
  const [published, setPublished] = useState(NOTHING)
  const [client, setClient] = useState<PublisherClient | null>(null)
  const { codec, layers, music, streamClass } = settings

  const goLive = useCallback(() => {
    const next = new PublisherClient({
      hubUrl: location.origin,
      streamId,
      streamClass,
      ...(input && { input }),
      token: accessToken,
      ...relayWish(),
    })
    const set = (change: Partial<Published>) => {
      // A stopped client reports that last, when nobody listens any more.
      if (next.state.name !== 'closed') setPublished((old) => ({ ...old, ...change }))
    }
    next.on('state', (state) => set({ state }))
    next.on('viewers', (viewers) => set({ viewers }))
    next.on('statistics', (statistics) => set({ statistics }))
    next.on('contract', (contract) => set({ contract }))
    next.on('demand', (demand) => set({ demand }))
    setPublished({ ...NOTHING, state: next.state })
    setClient(next)
    next.start()
  }, [streamId, input, streamClass])

  const stop = useCallback(() => {
    // Tells the hub before the client is closed, which follows.
    void client?.end()
    setClient(null)
    setPublished(NOTHING)
  }, [client])

  useEffect(() => () => client?.close(), [client])
  usePublishedTrack(client, media.video, media.videoMuted, { codec, layers })
  usePublishedTrack(client, media.audio, media.audioMuted, { music })
  useEffect(() => showOnPage(published, client?.transportId ?? null), [published, client])

  return { ...published, goLive, stop, retryNow: () => client?.retryNow() }
}

/** Keeps one track published: exchanges it when it changes, and mutes it as wished. */
function usePublishedTrack(
  client: PublisherClient | null,
  track: MediaStreamTrack | null,
  muted: boolean,
  wishes: Parameters<PublisherClient['publishTrack']>[1],
): void {
  const published = useRef<Promise<PublishedTrack | null> | null>(null)

  useEffect(() => {
    if (client === null) published.current = null
  }, [client])

  useEffect(() => {
    if (client === null || track === null) return
    // The client's state already shows a failure. The next track is another try.
    const publish = () => client.publishTrack(track, wishes).catch(() => null)
    const replace = (one: PublishedTrack) =>
      one.replace(track).then(
        () => one,
        () => one,
      )
    const before = published.current
    published.current =
      before === null ? publish() : before.then((one) => (one === null ? publish() : replace(one)))
  }, [client, track])

  useEffect(() => {
    void published.current?.then((one) => one?.mute(muted)).catch(() => {})
  }, [client, track, muted])
}

/** The state as attributes of the root element, for style sheets and for automation of the page. */
function showOnPage({ state, viewers, statistics, demand }: Published, transportId: string | null): void {
  const { dataset } = document.documentElement
  dataset.state = state?.name ?? 'off'
  if (state !== null && 'reason' in state) dataset.reason = state.reason
  else delete dataset.reason
  dataset.transport = transportId ?? ''
  dataset.viewers = String(viewers)
  dataset.demand = demand === null ? '' : JSON.stringify(demand)
  dataset.limitation = statistics?.limitation ?? 'none'
  dataset.layers = JSON.stringify(
    statistics?.layers.map(({ name, active, kbps, height }) => ({
      name,
      active,
      kbps: Math.round(kbps),
      height,
    })) ?? [],
  )
}
