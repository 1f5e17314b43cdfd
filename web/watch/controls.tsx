import type { ComponentChildren } from 'preact'
import {
  EnterFullscreenIcon,
  LeaveFullscreenIcon,
  SoundOffIcon,
  SoundOnIcon,
  StatisticsIcon,
} from './icons.tsx'

interface ControlsProps {
  readonly hasAudio: boolean
  readonly muted: boolean
  /** 0 to 1. */
  readonly volume: number
  readonly fullscreen: boolean
  readonly statistics: boolean
  readonly onMuted: (muted: boolean) => void
  readonly onVolume: (volume: number) => void
  readonly onFullscreen: () => void
  readonly onStatistics: () => void
}

export function Controls(props: ControlsProps) {
  return (
    <div class="controls" role="toolbar" aria-label="Player controls">
      {props.hasAudio && (
        <div class="sound">
          <ControlButton
            label={props.muted ? 'Sound on' : 'Sound off'}
            shortcut="m"
            testId="mute"
            onClick={() => props.onMuted(!props.muted)}
          >
            {props.muted ? <SoundOffIcon /> : <SoundOnIcon />}
          </ControlButton>
          <input
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={props.muted ? 0 : props.volume}
            aria-label="Volume"
            data-testid="volume"
            onInput={(event) => props.onVolume(event.currentTarget.valueAsNumber)}
          />
        </div>
      )}
      <span class="spacer" />
      <ControlButton
        label="Statistics"
        shortcut="i"
        testId="statistics-button"
        pressed={props.statistics}
        onClick={props.onStatistics}
      >
        <StatisticsIcon />
      </ControlButton>
      <ControlButton
        label={props.fullscreen ? 'Leave full screen' : 'Full screen'}
        shortcut="f"
        testId="fullscreen"
        onClick={props.onFullscreen}
      >
        {props.fullscreen ? <LeaveFullscreenIcon /> : <EnterFullscreenIcon />}
      </ControlButton>
    </div>
  )
}

interface ControlButtonProps {
  readonly label: string
  readonly shortcut: string
  readonly testId: string
  readonly pressed?: boolean
  readonly onClick: () => void
  readonly children: ComponentChildren
}

function ControlButton({ label, shortcut, testId, pressed, onClick, children }: ControlButtonProps) {
  return (
    <button
      type="button"
      class="control"
      aria-label={label}
      aria-keyshortcuts={shortcut}
      aria-pressed={pressed}
      title={`${label} (${shortcut})`}
      data-testid={testId}
      onClick={onClick}
    >
      {children}
    </button>
  )
}
