/** Why nothing can be captured, for a person to act upon. */
export const CAPTURE_FAILURES = [
  'permission_denied',
  'no_device',
  'device_busy',
  'not_supported',
  'insecure_page',
  'capture_failed',
] as const
export type CaptureFailure = (typeof CAPTURE_FAILURES)[number]

export class CaptureError extends Error {
  readonly code: CaptureFailure

  constructor(code: CaptureFailure, message: string) {
    super(message)
    this.code = code
  }
}

export interface CaptureWishes {
  readonly video: 'camera' | 'screen' | 'none'
  readonly audio: boolean
  /** Ids of devices; the browser chooses where they are left out. */
  readonly cameraId?: string | undefined
  readonly microphoneId?: string | undefined
  /** Most lines of the picture; 720 by default. */
  readonly height?: number
  /** Most pictures a second; 30 by default. */
  readonly frameRate?: number
  /** Sound without the processing meant for speech. */
  readonly music?: boolean
}

/**
 * Opens camera or screen, and the microphone. The caller stops the returned tracks.
 * @throws CaptureError
 */
export async function capture(wishes: CaptureWishes): Promise<MediaStreamTrack[]> {
  // Browsers show devices only to pages of https and localhost.
  if (!globalThis.isSecureContext || navigator.mediaDevices === undefined)
    throw new CaptureError('insecure_page', 'browsers open cameras on https pages only')
  try {
    if (wishes.video !== 'screen')
      return (await navigator.mediaDevices.getUserMedia(constraintsOf(wishes))).getTracks()
    const screen = await navigator.mediaDevices.getDisplayMedia({ video: pictureOf(wishes), audio: false })
    const tracks = screen.getTracks()
    if (!wishes.audio) return tracks
    try {
      const sound = await navigator.mediaDevices.getUserMedia(constraintsOf({ ...wishes, video: 'none' }))
      return [...tracks, ...sound.getTracks()]
    } catch (error) {
      for (const track of tracks) track.stop()
      throw error
    }
  } catch (error) {
    throw captureError(error)
  }
}

/** Cameras and microphones, without labels until the person has allowed one. */
export async function listDevices(): Promise<{
  readonly cameras: readonly MediaDeviceInfo[]
  readonly microphones: readonly MediaDeviceInfo[]
}> {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []
  return {
    cameras: devices.filter(({ kind }) => kind === 'videoinput'),
    microphones: devices.filter(({ kind }) => kind === 'audioinput'),
  }
}

function constraintsOf(wishes: CaptureWishes): MediaStreamConstraints {
  const { video, audio, cameraId, microphoneId, music = false } = wishes
  return {
    video: video === 'camera' && {
      ...pictureOf(wishes),
      ...(cameraId !== undefined && { deviceId: { exact: cameraId } }),
    },
    audio: audio && {
      ...(microphoneId !== undefined && { deviceId: { exact: microphoneId } }),
      echoCancellation: !music,
      noiseSuppression: !music,
      autoGainControl: !music,
      channelCount: music ? 2 : 1,
    },
  }
}

function pictureOf({ height = 720, frameRate = 30 }: CaptureWishes): MediaTrackConstraints {
  return {
    width: { ideal: Math.round((height * 16) / 9) },
    height: { ideal: height },
    frameRate: { ideal: frameRate, max: Math.max(frameRate, 30) },
  }
}

/** The refusals of browsers (W3C mediacapture-streams, section 10.2) in words. */
function captureError(error: unknown): CaptureError {
  if (error instanceof CaptureError) return error
  const name = error instanceof DOMException || error instanceof Error ? error.name : ''
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new CaptureError('permission_denied', 'this browser was not allowed to use it')
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new CaptureError('no_device', 'there is no such device, or it was unplugged')
    case 'NotReadableError':
    case 'AbortError':
      return new CaptureError('device_busy', 'another program is using it')
    case 'TypeError':
    case 'NotSupportedError':
      return new CaptureError('not_supported', 'this browser can’t capture that')
    default:
      return new CaptureError('capture_failed', error instanceof Error ? error.message : String(error))
  }
}
