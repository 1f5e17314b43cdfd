import { Icon } from '../icon.tsx'

const MICROPHONE = (
  <>
    <rect x="9" y="3.5" width="6" height="10.5" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>
)
const CAMERA = (
  <>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2" />
    <path d="m15.5 10.8 5.5-3v8.4l-5.5-3" />
  </>
)
const STROKE = <path d="m4 4 16 16" />

export const MicrophoneIcon = ({ off = false }: { off?: boolean }) => (
  <Icon>
    {MICROPHONE}
    {off && STROKE}
  </Icon>
)

export const CameraIcon = ({ off = false }: { off?: boolean }) => (
  <Icon>
    {CAMERA}
    {off && STROKE}
  </Icon>
)

export const EyeIcon = () => (
  <Icon>
    <path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z" />
    <circle cx="12" cy="12" r="2.8" />
  </Icon>
)
