import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { CaptureError, type CaptureFailure, capture, listDevices } from '../../signaling/client/index.ts'
import type { Settings } from './settings.ts'

export interface Captured {
  readonly video: MediaStreamTrack | null
  readonly audio: MediaStreamTrack | null
  /** Why there is nothing, or less than wished. `ended`: a device is gone, or sharing was stopped. */
  readonly failure: CaptureFailure | 'ended' | null
  /** Waits for the person or for the device. */
  readonly opening: boolean
  readonly cameras: readonly MediaDeviceInfo[]
  readonly microphones: readonly MediaDeviceInfo[]
}

const NOTHING: Captured = {
  video: null,
  audio: null,
  failure: null,
  opening: true,
  cameras: [],
  microphones: [],
}

type Wishes = Pick<Settings, 'source' | 'audio' | 'cameraId' | 'microphoneId' | 'height' | 'music'>

/** Opens the devices that the settings name, and stops those that they named before. */
export function useCapture({ source, audio, cameraId, microphoneId, height, music }: Wishes) {
  const [captured, setCaptured] = useState(NOTHING)
  const [round, setRound] = useState(0)
  const open = useRef<readonly MediaStreamTrack[]>([])

  useEffect(() => {
    let over = false
    const take = (tracks: readonly MediaStreamTrack[], failure: Captured['failure']) => {
      const before = open.current
      open.current = tracks
      for (const track of tracks)
        track.addEventListener('ended', () => {
          if (!over) setCaptured((old) => ({ ...old, failure: 'ended' }))
        })
      const of = (kind: string) => tracks.find((track) => track.kind === kind) ?? null
      setCaptured((old) => ({ ...old, video: of('video'), audio: of('audio'), failure, opening: false }))
      for (const track of before) track.stop()
    }
    setCaptured((old) => ({ ...old, opening: true, failure: null }))
    const wishes = { video: source, audio, cameraId, microphoneId, height, music }
    const opened = source === 'none' && !audio ? Promise.resolve([]) : capture(wishes)
    opened
      .then(
        (tracks) => {
          if (over) for (const track of tracks) track.stop()
          else take(tracks, null)
        },
        (error: unknown) => {
          if (!over) take([], error instanceof CaptureError ? error.code : 'capture_failed')
        },
      )
      .then(listDevices)
      .then((devices) => {
        if (!over) setCaptured((old) => ({ ...old, ...devices }))
      })
      .catch(() => {})
    return () => {
      over = true
    }
  }, [source, audio, cameraId, microphoneId, height, music, round])

  useEffect(() => {
    const changed = () => void listDevices().then((devices) => setCaptured((old) => ({ ...old, ...devices })))
    navigator.mediaDevices?.addEventListener('devicechange', changed)
    return () => {
      navigator.mediaDevices?.removeEventListener('devicechange', changed)
      for (const track of open.current) track.stop()
    }
  }, [])

  return { ...captured, openAgain: useCallback(() => setRound((old) => old + 1), []) }
}
