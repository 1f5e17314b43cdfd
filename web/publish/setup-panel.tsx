import type { ComponentChildren } from 'preact'
import { STREAM_CLASSES } from '../../common/wire/stream.ts'
import { LAYERS_OF, PUBLISH_CODECS } from '../../signaling/client/index.ts'
import { CODEC_NAMES, canEncode, LAYER_NAMES, type Settings, withCodec } from './settings.ts'

interface SetupPanelProps {
  readonly settings: Settings
  readonly cameras: readonly MediaDeviceInfo[]
  readonly microphones: readonly MediaDeviceInfo[]
  /** On air: settings that are fixed at the start of a stream are hidden. */
  readonly onAir: boolean
  readonly onChange: (settings: Settings) => void
}

const SOURCES = [
  ['camera', 'Camera'],
  ['screen', 'Screen'],
  ['none', 'Sound only'],
] as const
const HEIGHTS = [360, 540, 720, 1080] as const

/** What is sent, and how. */
export function SetupPanel({ settings, cameras, microphones, onAir, onChange }: SetupPanelProps) {
  const change = (part: Partial<Settings>) => onChange({ ...settings, ...part })
  return (
    <form class="setup" onSubmit={(event) => event.preventDefault()} aria-label="What is sent">
      <fieldset class="sources">
        <legend>Picture</legend>
        {SOURCES.map(([source, name]) => (
          <label key={source}>
            <input
              type="radio"
              name="source"
              checked={settings.source === source}
              data-testid={`source-${source}`}
              onChange={() => change({ source })}
            />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <Choice
        label="Camera"
        testId="camera"
        value={settings.cameraId ?? ''}
        disabled={settings.source !== 'camera'}
        onChange={(id) => change({ cameraId: id || undefined })}
      >
        <DeviceOptions devices={cameras} />
      </Choice>
      <Choice
        label="Microphone"
        testId="microphone"
        value={settings.audio ? (settings.microphoneId ?? '') : 'off'}
        onChange={(id) =>
          change(id === 'off' ? { audio: false } : { audio: true, microphoneId: id || undefined })
        }
      >
        <DeviceOptions devices={microphones} />
        <option value="off">No sound</option>
      </Choice>
      {!onAir && <Encoding settings={settings} onChange={onChange} />}
    </form>
  )
}

interface EncodingProps {
  readonly settings: Settings
  readonly onChange: (settings: Settings) => void
}

/** Settings that are fixed at the start of a stream. */
function Encoding({ settings, onChange }: EncodingProps) {
  const change = (part: Partial<Settings>) => onChange({ ...settings, ...part })
  const noPicture = settings.source === 'none'
  return (
    <>
      <div class="pair">
        <Choice
          label="Codec"
          testId="codec"
          value={settings.codec}
          disabled={noPicture}
          onChange={(name) => {
            const codec = PUBLISH_CODECS.find((each) => each === name)
            if (codec !== undefined) onChange(withCodec(settings, codec))
          }}
        >
          {PUBLISH_CODECS.map((codec) => (
            <option key={codec} value={codec} disabled={!canEncode(codec)}>
              {CODEC_NAMES[codec]}
              {canEncode(codec) ? '' : ' (not here)'}
            </option>
          ))}
        </Choice>
        <Choice
          label="Layers"
          testId="layers"
          value={settings.layers}
          disabled={noPicture}
          onChange={(name) => {
            const layers = LAYERS_OF[settings.codec].find((each) => each === name)
            if (layers !== undefined) change({ layers })
          }}
        >
          {LAYERS_OF[settings.codec].map((layers) => (
            <option key={layers} value={layers}>
              {LAYER_NAMES[layers]}
            </option>
          ))}
        </Choice>
      </div>
      <div class="pair">
        <Choice
          label="Picture size"
          testId="height"
          value={String(settings.height)}
          disabled={noPicture}
          onChange={(height) => change({ height: Number(height) })}
        >
          {HEIGHTS.map((height) => (
            <option key={height} value={height}>
              {height}p
            </option>
          ))}
        </Choice>
        <Choice
          label="Class"
          testId="class"
          value={settings.streamClass}
          onChange={(name) => {
            const streamClass = STREAM_CLASSES.find((each) => each === name)
            if (streamClass !== undefined) change({ streamClass })
          }}
        >
          {STREAM_CLASSES.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </Choice>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={settings.music}
          disabled={!settings.audio}
          data-testid="music"
          onChange={(event) => change({ music: event.currentTarget.checked })}
        />
        Music: stereo, without noise suppression
      </label>
    </>
  )
}

function DeviceOptions({ devices }: { devices: readonly MediaDeviceInfo[] }) {
  const named = devices.filter(({ deviceId }) => deviceId !== '' && deviceId !== 'default')
  return (
    <>
      <option value="">Default</option>
      {named.map(({ deviceId, label }, index) => (
        <option key={deviceId} value={deviceId}>
          {label || `Device ${index + 1}`}
        </option>
      ))}
    </>
  )
}

interface ChoiceProps {
  readonly label: string
  readonly testId: string
  readonly value: string
  readonly disabled?: boolean
  readonly onChange: (value: string) => void
  readonly children: ComponentChildren
}

function Choice({ label, testId, value, disabled = false, onChange, children }: ChoiceProps) {
  return (
    <label class="choice">
      <span>{label}</span>
      <select
        value={value}
        disabled={disabled}
        data-testid={testId}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {children}
      </select>
    </label>
  )
}
