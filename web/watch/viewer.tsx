import { useEffect, useRef, useState } from 'preact/hooks'
import type { ViewerState } from '../../signaling/client/index.ts'
import { noticeOf, remarkOn, STATE_WORDS } from '../state-words.ts'
import { StreamTitle } from '../stream-title.tsx'
import { Controls } from './controls.tsx'
import { SoundOffIcon } from './icons.tsx'
import { Notice } from './notice.tsx'
import { StatisticsPanel } from './statistics-panel.tsx'
import { useIdle } from './use-idle.ts'
import { useViewer } from './use-viewer.ts'
import type { WatchAddress } from './watch-address.ts'

/** Controls hide after this long without a movement, ms. */
const IDLE_MS = 3_000

/** States with sound. */
const PLAYS: ReadonlySet<ViewerState['name']> = new Set(['live', 'no_picture', 'unplayable'])

/** The whole page: the picture, its notices, and the controls. */
export function Viewer({ address }: { address: WatchAddress }) {
  const { streamId } = address
  const stage = useRef<HTMLElement>(null)
  const video = useRef<HTMLVideoElement>(null)
  const watched = useViewer(address, video)
  const { state, since, hasAudio, hasPicture, soundOnly, statistics, history, retryNow } = watched
  const [muted, setMuted] = useState(true)
  const [volume, setVolume] = useState(1)
  const [open, setOpen] = useState(false)
  const [fullscreen, setFullscreen] = useState(false)
  const remark = remarkOn(state, soundOnly)
  const idle = useIdle(IDLE_MS) && state.name === 'live'

  const applySound = (nextMuted: boolean, nextVolume: number) => {
    const element = video.current
    if (element === null) return
    element.volume = nextVolume
    element.muted = nextMuted
    // A browser that blocked playing waits for a click, such as this one.
    if (!nextMuted) element.play().catch(() => {})
    setMuted(nextMuted)
    setVolume(nextVolume)
  }
  const onMuted = (next: boolean) => applySound(next, next || volume > 0 ? volume : 1)
  const onVolume = (next: number) => applySound(next === 0, next === 0 ? volume : next)
  const onFullscreen = () => {
    if (document.fullscreenElement !== null) void document.exitFullscreen()
    else void enterFullscreen(stage.current, video.current)
  }

  useEffect(() => {
    const changed = () => setFullscreen(document.fullscreenElement !== null)
    document.addEventListener('fullscreenchange', changed)
    return () => document.removeEventListener('fullscreenchange', changed)
  }, [])

  useEffect(() => {
    const typed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
      // Typing into a field is no shortcut.
      if (event.target instanceof HTMLInputElement && event.target.type !== 'range') return
      if (event.key === 'i') setOpen((old) => !old)
      else if (event.key === 'Escape') setOpen(false)
      // The element knows at once; what was drawn last may be a frame old.
      else if (event.key === 'm' && hasAudio) onMuted(!video.current?.muted)
      else if (event.key === 'f') onFullscreen()
    }
    addEventListener('keydown', typed)
    return () => removeEventListener('keydown', typed)
  })

  return (
    <main
      class="stage"
      ref={stage}
      data-idle={idle}
      data-dimmed={hasPicture && noticeOf(state) !== null}
      data-picture={hasPicture}
    >
      <video
        ref={video}
        muted
        autoplay
        playsInline
        aria-label={`Live picture of ${streamId}`}
        data-testid="video"
        onDblClick={onFullscreen}
      />
      <header class="bar">
        <StreamTitle streamId={streamId} words={STATE_WORDS[state.name]} />
      </header>
      <Notice state={state} since={since} onRetry={retryNow} />
      {remark !== null && (
        <p class="stage-remark" role="status" data-testid={remark.about}>
          {remark.text}
        </p>
      )}
      {open && <StatisticsPanel statistics={statistics} history={history} onClose={() => setOpen(false)} />}
      {hasAudio && muted && PLAYS.has(state.name) && (
        <button type="button" class="sound-on" onClick={() => onMuted(false)} data-testid="sound-on">
          <SoundOffIcon />
          Sound on
        </button>
      )}
      <Controls
        hasAudio={hasAudio}
        muted={muted}
        volume={volume}
        fullscreen={fullscreen}
        statistics={open}
        onMuted={onMuted}
        onVolume={onVolume}
        onFullscreen={onFullscreen}
        onStatistics={() => setOpen(!open)}
      />
    </main>
  )
}

/** iPhones can't show a page in full screen, only the video itself. */
async function enterFullscreen(stage: HTMLElement | null, video: HTMLVideoElement | null): Promise<void> {
  if (stage !== null && 'requestFullscreen' in stage) await stage.requestFullscreen().catch(() => {})
  else if (video !== null && 'webkitEnterFullscreen' in video) {
    const { webkitEnterFullscreen } = video
    if (typeof webkitEnterFullscreen === 'function') webkitEnterFullscreen.call(video)
  }
}
