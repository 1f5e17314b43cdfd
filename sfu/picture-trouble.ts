import type { PictureState } from '../common/wire/ingress-ipc.ts'
import type { StreamState } from '../common/wire/stream.ts'

const NO_PICTURE: { readonly [State in PictureState]?: string } = {
  none: 'No pictures arrive from the sender, though its sound does. Look at the camera and the encoder.',
  waiting:
    'The sender’s pictures can’t be shown before one of its keyframes arrives whole; the sound goes on. Where packets are lost between sender and server, lower the bitrate or add a link.',
}
const DISTURBED =
  'Pictures are missing on the way from the sender to the server. Your own connection is not the cause.'

/**
 * The state that viewers get of a field stream whose media flows.
 * @param soundRefused why the sender's sound is left out, if it is
 */
export function flowingState(pictures: PictureState, soundRefused: string | null): StreamState {
  const sound = soundRefused === null ? {} : { sound_refused: soundRefused }
  const reason = NO_PICTURE[pictures]
  if (reason !== undefined) return { state: 'no_picture', reason, ...sound }
  return { state: 'live', ...(pictures === 'damaged' && { disturbed: DISTURBED }), ...sound }
}

/** Whether media flows, even if only sound. */
export function flows({ state }: StreamState): boolean {
  return state === 'live' || state === 'no_picture'
}
