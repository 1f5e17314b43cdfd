import type { CaptureFailure, PublisherState } from '../../signaling/client/index.ts'
import { sentence } from '../sentence.ts'
import type { StateWords } from '../state-words.ts'

/** The page's words for a publisher's state; `off` is before and after. */
export const PUBLISHER_WORDS: Readonly<Record<PublisherState['name'] | 'off', StateWords>> = {
  off: { label: 'Off air', tone: 'quiet' },
  connecting: { label: 'Connecting', tone: 'quiet' },
  starting: { label: 'Starting', tone: 'warn' },
  live: { label: 'Live', tone: 'live' },
  lost: { label: 'Not arriving', tone: 'warn' },
  reconnecting: { label: 'Reconnecting', tone: 'warn' },
  denied: { label: 'No access', tone: 'bad' },
  taken: { label: 'Taken', tone: 'bad' },
  revoked: { label: 'Ended by the server', tone: 'bad' },
  busy: { label: 'Busy', tone: 'warn' },
  failed: { label: 'Failed', tone: 'bad' },
  closed: { label: 'Off air', tone: 'quiet' },
}

export interface Message {
  readonly title: string
  readonly detail: string
}

/** What to say about a state, and what to do; null where the label says everything. */
export function messageOf(state: PublisherState | null, streamId: string): Message | null {
  if (state === null) return null
  switch (state.name) {
    case 'denied':
      return { title: 'You can’t publish this', detail: sentence(state.reason) }
    case 'taken':
      return {
        title: 'The stream is taken',
        detail: `Somebody else is publishing “${streamId}” now. This page asks again now and then; to publish beside them, take another stream name.`,
      }
    case 'revoked':
      return { title: 'The server ended this', detail: `${sentence(state.reason)} Go live again if you may.` }
    case 'busy':
      return { title: 'No place at the moment', detail: `${sentence(state.reason)} This page keeps asking.` }
    case 'failed':
      return { title: 'This can’t be published', detail: sentence(state.reason) }
    case 'reconnecting':
      return {
        title: 'Reconnecting',
        detail: `${sentence(state.reason)} Viewers see you again as soon as it is done.`,
      }
    case 'lost':
      return {
        title: 'Nothing arrives at the server',
        detail: 'Check the network here. Viewers keep the last picture until it goes on.',
      }
    default:
      return null
  }
}

const CAPTURE_WORDS: Readonly<Record<CaptureFailure | 'ended', Message>> = {
  permission_denied: {
    title: 'This page may not use your camera or microphone',
    detail: 'Allow it beside the address of this page, or choose another source, then try again.',
  },
  no_device: {
    title: 'There is no camera or microphone',
    detail: 'Plug one in, or choose the screen or sound alone.',
  },
  device_busy: {
    title: 'The device is in use',
    detail: 'Close the other program that uses the camera or microphone, then try again.',
  },
  not_supported: {
    title: 'This browser can’t capture that',
    detail: 'Choose another source, or use a current desktop browser.',
  },
  insecure_page: {
    title: 'Browsers open cameras on secure pages only',
    detail: 'Open this page over https, or on the hub’s own machine as http://localhost.',
  },
  capture_failed: { title: 'The device did not open', detail: 'Choose another one, or try again.' },
  ended: {
    title: 'The source has ended',
    detail: 'Sharing was stopped, or the device was unplugged. Choose a source to go on.',
  },
}

export function captureMessage(failure: CaptureFailure | 'ended'): Message {
  return CAPTURE_WORDS[failure]
}
