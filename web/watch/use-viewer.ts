import { useEffect, useRef, useState } from 'preact/hooks'
import {
  type Connection,
  connect,
  type ViewerClient,
  type ViewerState,
  type ViewerStatistics,
} from '../../signaling/client/index.ts'
import { accessToken } from '../access-token.ts'
import { relayWish } from '../relay-wish.ts'
import type { WatchAddress } from './watch-address.ts'

/** Seconds of history for the graph. */
const HISTORY = 60

export interface Watched {
  readonly state: ViewerState
  /** When this state began, ms of `performance.now()`. */
  readonly since: number
  readonly hasAudio: boolean
  /** Whether a picture was ever shown. Then the last picture stays below every notice. */
  readonly hasPicture: boolean
  /** The connection does not carry the picture: only sound is sent until it does. */
  readonly soundOnly: boolean
  /** Media comes from the sender itself, over a network that both share. */
  readonly direct: boolean
  readonly statistics: ViewerStatistics | null
  /** Glass-to-glass latency of the last minute, one value a second, ms; null where it could not be measured. */
  readonly history: readonly (number | null)[]
}

const NOTHING: Watched = {
  state: { name: 'connecting' },
  since: 0,
  hasAudio: false,
  hasPicture: false,
  soundOnly: false,
  direct: false,
  statistics: null,
  history: [],
}

/** Watches a stream in `video` as long as the component lives. */
export function useViewer(
  { tenantId, streamId }: WatchAddress,
  video: { readonly current: HTMLVideoElement | null },
) {
  const [watched, setWatched] = useState(NOTHING)
  const client = useRef<ViewerClient | null>(null)

  useEffect(() => {
    if (video.current === null) return
    const connection = connectHere(tenantId)
    const preference = relayWish()
    const viewer = connection.subscribeToTrack(streamId, {
      video: video.current,
      ...(preference && { preference }),
    })
    client.current = viewer
    viewer.on('state', (state) => {
      showOnPage(state)
      setWatched((old) => ({
        ...old,
        state,
        since: performance.now(),
        hasPicture: old.hasPicture || state.name === 'live',
      }))
    })
    viewer.on('media', ({ audio }) => setWatched((old) => ({ ...old, hasAudio: audio })))
    viewer.on('statistics', (statistics) => {
      measureOnPage(statistics)
      setWatched((old) => ({
        ...old,
        statistics,
        history: [...old.history, statistics.glassToGlassMs].slice(-HISTORY),
      }))
    })
    viewer.on('direct', ({ direct, reason }) => {
      Object.assign(document.documentElement.dataset, { way: direct ? 'direct' : 'hub', wayReason: reason })
      setWatched((old) => ({ ...old, direct }))
    })
    viewer.on('picture', (picture) => {
      const { dataset } = document.documentElement
      dataset.picture = picture.paused ? picture.reason : 'sent'
      dataset.pictureReason = picture.reason
      setWatched((old) => ({ ...old, soundOnly: picture.paused && picture.reason === 'bandwidth' }))
    })
    showOnPage(viewer.state)
    return () => connection.close()
  }, [tenantId, streamId, video])

  return { ...watched, retryNow: () => client.current?.retryNow() }
}

/** The state as attributes of the root element, for style sheets and for automation of the page. */
function showOnPage(state: ViewerState): void {
  const { dataset } = document.documentElement
  dataset.state = state.name
  if ('reason' in state) dataset.reason = state.reason
  else delete dataset.reason
}

function measureOnPage(statistics: ViewerStatistics): void {
  const { dataset } = document.documentElement
  const set = (name: string, value: number | null) => {
    if (value === null) delete dataset[name]
    else dataset[name] = value.toFixed(1)
  }
  set('joinMs', statistics.joinMs)
  set('glassToGlassMs', statistics.glassToGlassMs)
  set('lipSyncMs', statistics.lipSyncMs)
  set('jitterBufferMs', statistics.jitterBufferMs)
  set('framesPerSecond', statistics.framesPerSecond)
}

/** The hub of this page, with the token of this tab. */
export function connectHere(tenantId: string | null): Connection {
  return connect({
    hubUrl: location.origin,
    ...(tenantId !== null && { tenantId }),
    token: accessToken,
    routerCapabilities: embeddedCapabilities(),
  })
}

/** The capabilities that the hub wrote into the page; null when another server sent the page. */
function embeddedCapabilities(): unknown {
  try {
    return JSON.parse(document.getElementById('router-capabilities')?.textContent ?? 'null')
  } catch {
    return null
  }
}
