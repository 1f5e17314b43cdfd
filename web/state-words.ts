import type { ViewerState } from '../signaling/client/index.ts'
import { sentence } from './sentence.ts'

type Tone = 'live' | 'warn' | 'bad' | 'quiet'

/** A state in one or two words, and its severity. */
export interface StateWords {
  readonly label: string
  readonly tone: Tone
}

export const STATE_WORDS: Record<ViewerState['name'], StateWords> = {
  connecting: { label: 'Connecting', tone: 'quiet' },
  waiting: { label: 'Waiting', tone: 'quiet' },
  live: { label: 'Live', tone: 'live' },
  no_picture: { label: 'No picture', tone: 'warn' },
  unplayable: { label: 'Not playable', tone: 'warn' },
  input_lost: { label: 'Signal lost', tone: 'warn' },
  refused: { label: 'Refused', tone: 'bad' },
  ended: { label: 'Ended', tone: 'quiet' },
  reconnecting: { label: 'Reconnecting', tone: 'warn' },
  failed: { label: 'Unavailable', tone: 'bad' },
  denied: { label: 'No access', tone: 'bad' },
  revoked: { label: 'Access ended', tone: 'bad' },
  busy: { label: 'Busy', tone: 'warn' },
}

interface Notice {
  readonly title: string
  readonly detail: string
  /** Something is under way: the notice shows motion. */
  readonly busy: boolean
}

const CODEC_NAMES: Readonly<Record<string, string>> = { H264: 'H.264', H265: 'H.265' }

/**
 * What a viewer reads over the picture; null while the picture says everything.
 * @param browser its user agent: the advice about a missing decoder differs
 */
export function noticeOf(state: ViewerState, browser: string = navigator.userAgent): Notice | null {
  switch (state.name) {
    case 'unplayable':
      return {
        title: 'This browser can’t show the picture',
        detail: [
          `It has no decoder for ${CODEC_NAMES[state.codec] ?? state.codec}.`,
          state.codec === 'H264' && browser.includes('Firefox/')
            ? 'Firefox fetches one, OpenH264, within minutes of its first start; “about:addons”, Plugins, shows whether it is there and switched on.'
            : 'Another browser, or a newer one, may have it.',
          ...(state.sound ? ['The sound plays meanwhile.'] : []),
          'The picture appears here by itself as soon as it can be decoded.',
        ].join(' '),
        busy: false,
      }
    case 'live':
      return state.muted?.includes('video')
        ? {
            title: 'The picture is off',
            detail: state.muted.includes('audio')
              ? 'The sender has switched picture and sound off for now.'
              : 'The sender has switched it off for now; sound goes on.',
            busy: false,
          }
        : null
    case 'connecting':
      return {
        title: 'Connecting',
        detail:
          state.pictureWithinMs === undefined
            ? 'The picture is on its way.'
            : `The sender makes a whole picture every ${Math.ceil(state.pictureWithinMs / 1000)} s: the first one may take so long.`,
        busy: true,
      }
    case 'waiting':
      return {
        title: 'Waiting for the sender',
        detail: 'Nothing is being sent yet. The picture appears here by itself.',
        busy: true,
      }
    case 'no_picture':
      return { title: 'No picture', detail: sentence(state.reason), busy: true }
    case 'input_lost':
      return state.slate
        ? null
        : {
            title: 'Signal lost',
            detail: 'The sender has stopped delivering. The picture comes back by itself when it returns.',
            busy: true,
          }
    case 'refused':
      return { title: 'This stream can’t be shown', detail: sentence(state.reason), busy: false }
    case 'ended':
      return { title: 'The stream has ended', detail: 'Thank you for watching.', busy: false }
    case 'reconnecting':
      return { title: 'Reconnecting', detail: sentence(state.reason), busy: true }
    case 'failed':
      return {
        title: 'Nothing to show here',
        detail: `${sentence(state.reason)} This page keeps asking for it.`,
        busy: false,
      }
    case 'denied':
      return { title: 'You can’t watch this', detail: sentence(state.reason), busy: false }
    case 'revoked':
      return {
        title: 'Your access has ended',
        detail: `${sentence(state.reason)} This page asks again now and then.`,
        busy: false,
      }
    case 'busy':
      return {
        title: 'No place at the moment',
        detail: `${sentence(state.reason)} The picture appears here by itself when there is one.`,
        busy: true,
      }
  }
}

interface Remark {
  readonly about: 'disturbed' | 'sound-only' | 'sound-refused' | 'reduced'
  readonly text: string
}

/**
 * What a viewer reads beside a playing picture.
 * @param soundOnly the hub holds the picture back because this viewer's connection can't carry it
 */
export function remarkOn(state: ViewerState, soundOnly: boolean): Remark | null {
  if (state.name !== 'live') return null
  // Faults before the hub are not blamed on the viewer's connection.
  if (state.disturbed !== undefined) return { about: 'disturbed', text: state.disturbed }
  if (soundOnly) return { about: 'sound-only', text: 'Your connection can’t carry the picture: sound only' }
  if (state.soundRefused !== undefined) return { about: 'sound-refused', text: state.soundRefused }
  return state.reduced === undefined ? null : { about: 'reduced', text: state.reduced }
}
