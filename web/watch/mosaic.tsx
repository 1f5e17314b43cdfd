import { useEffect, useRef, useState } from 'preact/hooks'
import type { Connection, PictureSent, ViewerClient, ViewerState } from '../../signaling/client/index.ts'
import { relayWish } from '../relay-wish.ts'
import { STATE_WORDS } from '../state-words.ts'
import { connectHere } from './use-viewer.ts'
import type { MosaicAddress } from './watch-address.ts'

/** Several streams side by side, over one connection. A click makes one large and turns its sound on. */
export function Mosaic({ address: { tenantId, streamIds } }: { address: MosaicAddress }) {
  const [connection, setConnection] = useState<Connection | null>(null)
  const [focused, setFocused] = useState<string | null>(null)

  useEffect(() => {
    const opened = connectHere(tenantId)
    setConnection(opened)
    return () => opened.close()
  }, [tenantId])

  return (
    <main class="mosaic">
      {connection !== null &&
        streamIds.map((streamId) => (
          <Tile
            key={streamId}
            connection={connection}
            streamId={streamId}
            focused={streamId === focused}
            onFocus={() => setFocused(streamId === focused ? null : streamId)}
          />
        ))}
    </main>
  )
}

interface TileProps {
  readonly connection: Connection
  readonly streamId: string
  readonly focused: boolean
  readonly onFocus: () => void
}

function Tile({ connection, streamId, focused, onFocus }: TileProps) {
  const video = useRef<HTMLVideoElement>(null)
  const subscription = useRef<ViewerClient | null>(null)
  const [state, setState] = useState<ViewerState>({ name: 'connecting' })
  const [picture, setPicture] = useState<PictureSent>({ paused: false, reason: 'all' })

  useEffect(() => {
    if (video.current === null) return
    const preference = relayWish()
    const watching = connection.subscribeToTrack(streamId, {
      video: video.current,
      view: { audio: false },
      ...(preference && { preference }),
    })
    subscription.current = watching
    watching.on('state', setState)
    watching.on('picture', setPicture)
    return () => connection.unsubscribe(watching)
  }, [connection, streamId])

  useEffect(() => {
    subscription.current?.setView({ focused, audio: focused })
    if (video.current !== null) video.current.muted = !focused
  }, [focused])

  const words = STATE_WORDS[state.name]
  return (
    <button
      type="button"
      class="tile"
      aria-pressed={focused}
      onClick={onFocus}
      data-testid={`tile-${streamId}`}
      data-state={state.name}
      data-picture={picture.paused ? 'paused' : 'sent'}
      data-reason={picture.reason}
    >
      <video ref={video} muted autoplay playsInline aria-label={`Live picture of ${streamId}`} />
      <span class="name">
        {streamId}
        {state.name !== 'live' && ` · ${words.label}`}
        {picture.paused && picture.reason === 'bandwidth' && ' · sound only'}
      </span>
    </button>
  )
}
