import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { StreamTitle } from '../stream-title.tsx'
import { TokenForm } from '../token-form.tsx'
import { CameraIcon, EyeIcon, MicrophoneIcon } from './icons.tsx'
import { LevelMeter } from './level-meter.tsx'
import type { PublishAddress } from './publish-address.ts'
import { SendingPanel } from './sending-panel.tsx'
import { FIRST_SETTINGS, withCodec } from './settings.ts'
import { SetupPanel } from './setup-panel.tsx'
import { useCapture } from './use-capture.ts'
import { usePublisher } from './use-publisher.ts'
import { captureMessage, type Message, messageOf, PUBLISHER_WORDS } from './words.ts'

/** The whole page: what is captured, whether it is on the air, and how it fares. */
export function Studio({ streamId, input }: PublishAddress) {
  // The only codec that a stream with several inputs takes.
  const [settings, setSettings] = useState(input ? withCodec(FIRST_SETTINGS, 'h264') : FIRST_SETTINGS)
  const [audioMuted, setAudioMuted] = useState(false)
  const [videoMuted, setVideoMuted] = useState(false)
  const captured = useCapture(settings)
  const { video, audio, failure, opening } = captured
  const publisher = usePublisher({ streamId, ...(input && { input }) }, settings, {
    video,
    audio,
    audioMuted,
    videoMuted,
  })
  const { state, viewers } = publisher
  const onAir = state !== null
  const message = messageOf(state, streamId)

  // Leaving the page while on the air asks for confirmation.
  useEffect(() => {
    if (!onAir) return
    const leaving = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener('beforeunload', leaving)
    return () => removeEventListener('beforeunload', leaving)
  }, [onAir])

  return (
    <main class="studio">
      <header class="bar">
        <StreamTitle streamId={streamId} words={PUBLISHER_WORDS[state?.name ?? 'off']} />
        <span class="spacer" />
        {onAir && (
          <a
            class="viewers"
            href={`/watch/${streamId}`}
            target="_blank"
            rel="noreferrer"
            title="Open the viewer page"
          >
            <EyeIcon />
            <span data-testid="viewers">{viewers}</span>
            {viewers === 1 ? ' viewer' : ' viewers'}
          </a>
        )}
      </header>
      <section class="picture" data-off={video === null || videoMuted} aria-label="Preview">
        <Preview track={video} />
        {failure !== null && (
          <Report message={captureMessage(failure)} onRetry={captured.openAgain} testId="capture-failure" />
        )}
        {failure === null && opening && video === null && (
          <p class="remark">Waiting for the browser’s permission</p>
        )}
        {failure === null && !opening && video === null && <p class="remark">Sound only</p>}
        {video !== null && videoMuted && <p class="remark">The picture is off</p>}
        {message !== null && (
          <Report message={message} onRetry={publisher.retryNow} testId="publish-failure">
            {state?.name === 'denied' && <TokenForm onChange={publisher.retryNow} />}
          </Report>
        )}
      </section>
      <aside>
        <SetupPanel
          settings={settings}
          cameras={captured.cameras}
          microphones={captured.microphones}
          onAir={onAir}
          onChange={setSettings}
        />
        {onAir && (
          <SendingPanel
            statistics={publisher.statistics}
            contract={publisher.contract}
            demand={publisher.demand}
          />
        )}
      </aside>
      <div class="transport" role="toolbar" aria-label="Publishing controls">
        <Toggle
          label={audioMuted ? 'Microphone on' : 'Microphone off'}
          pressed={audioMuted}
          disabled={audio === null}
          testId="mute-audio"
          onClick={() => setAudioMuted(!audioMuted)}
        >
          <MicrophoneIcon off={audioMuted || audio === null} />
        </Toggle>
        <LevelMeter track={audio} muted={audioMuted} />
        <Toggle
          label={videoMuted ? 'Picture on' : 'Picture off'}
          pressed={videoMuted}
          disabled={video === null}
          testId="mute-video"
          onClick={() => setVideoMuted(!videoMuted)}
        >
          <CameraIcon off={videoMuted || video === null} />
        </Toggle>
        <span class="spacer" />
        {onAir ? (
          <button type="button" class="go stop" onClick={publisher.stop} data-testid="stop">
            Stop
          </button>
        ) : (
          <button
            type="button"
            class="go"
            disabled={video === null && audio === null}
            onClick={publisher.goLive}
            data-testid="go-live"
          >
            Go live
          </button>
        )}
      </div>
    </main>
  )
}

function Preview({ track }: { track: MediaStreamTrack | null }) {
  const element = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    if (element.current !== null) element.current.srcObject = track === null ? null : new MediaStream([track])
  }, [track])
  return (
    <video ref={element} muted autoplay playsInline aria-label="What is captured" data-testid="preview" />
  )
}

interface ReportProps {
  readonly message: Message
  readonly onRetry: () => void
  readonly testId: string
  readonly children?: ComponentChildren
}

function Report({ message, onRetry, testId, children }: ReportProps) {
  return (
    <div class="report" role="alert" data-testid={testId}>
      <h1>{message.title}</h1>
      <p>{message.detail}</p>
      {children}
      <button type="button" class="button" onClick={onRetry} data-testid={`${testId}-retry`}>
        Try again
      </button>
    </div>
  )
}

interface ToggleProps {
  readonly label: string
  readonly pressed: boolean
  readonly disabled: boolean
  readonly testId: string
  readonly onClick: () => void
  readonly children: ComponentChildren
}

function Toggle({ label, pressed, disabled, testId, onClick, children }: ToggleProps) {
  return (
    <button
      type="button"
      class="toggle"
      aria-label={label}
      aria-pressed={pressed}
      title={label}
      disabled={disabled}
      data-testid={testId}
      onClick={onClick}
    >
      {children}
    </button>
  )
}
