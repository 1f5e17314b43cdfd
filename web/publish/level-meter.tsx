import { useEffect, useRef } from 'preact/hooks'

/** Quietest visible level, dB of full scale. */
const FLOOR_DB = -60

/** The microphone's level as a bar, redrawn at the screen's own pace. */
export function LevelMeter({ track, muted }: { track: MediaStreamTrack | null; muted: boolean }) {
  const bar = useRef<HTMLSpanElement>(null)

  useEffect(() => {
    const element = bar.current
    if (track === null || muted || element === null) return
    const context = new AudioContext()
    const analyser = new AnalyserNode(context, { fftSize: 1024 })
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    let shown = 0
    let frame = 0
    const draw = () => {
      analyser.getFloatTimeDomainData(samples)
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
      const level = Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB)
      // Up at once, down slowly: a level that people can read.
      shown = Math.max(Math.min(1, level), shown * 0.93)
      element.style.transform = `scaleX(${shown.toFixed(3)})`
      element.dataset['level'] = shown.toFixed(2)
      frame = requestAnimationFrame(draw)
    }
    draw()
    return () => {
      cancelAnimationFrame(frame)
      element.style.transform = 'scaleX(0)'
      element.dataset['level'] = '0'
      void context.close()
    }
  }, [track, muted])

  return (
    <span class="level" role="presentation" data-muted={muted || track === null}>
      <span ref={bar} class="level-bar" data-testid="level" data-level="0" />
    </span>
  )
}
