import { Icon } from '../icon.tsx'

const SPEAKER = <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5Z" fill="currentColor" />

export const SoundOnIcon = () => (
  <Icon>
    {SPEAKER}
    <path d="M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
  </Icon>
)

export const SoundOffIcon = () => (
  <Icon>
    {SPEAKER}
    <path d="m16 9.5 5 5m0-5-5 5" />
  </Icon>
)

export const StatisticsIcon = () => (
  <Icon>
    <path d="M5 20v-6m7 6V4m7 16v-9" />
  </Icon>
)

export const EnterFullscreenIcon = () => (
  <Icon>
    <path d="M4 9V4h5m6 0h5v5m0 6v5h-5m-6 0H4v-5" />
  </Icon>
)

export const LeaveFullscreenIcon = () => (
  <Icon>
    <path d="M9 4v5H4m16 0h-5V4m0 16v-5h5M4 15h5v5" />
  </Icon>
)

export const WarningIcon = () => (
  <Icon>
    <path d="M12 4 2.8 19.5h18.4ZM12 10v4.5m0 2.4v.1" />
  </Icon>
)

export const NothingIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="m6 6 12 12" />
  </Icon>
)

export const EndedIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="m8 12.3 2.8 2.8L16 9.8" />
  </Icon>
)
