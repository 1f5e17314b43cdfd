const WIDTH = 240
const HEIGHT = 36
const SECONDS = 60

/** The last minute of glass-to-glass latency, from 0 to a little above the largest value, newest at the right. */
export function LatencyGraph({ history }: { history: readonly (number | null)[] }) {
  const known = history.filter((value) => value !== null)
  if (known.length < 2) return null
  const top = Math.max(100, ...known) * 1.25
  const x = (index: number) => WIDTH - ((history.length - 1 - index) * WIDTH) / (SECONDS - 1)
  const y = (value: number) => HEIGHT - 1 - (Math.max(0, value) * (HEIGHT - 2)) / top
  let path = ''
  let drawing = false
  history.forEach((value, index) => {
    if (value !== null) path += `${drawing ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`
    drawing = value !== null
  })
  return (
    <figure>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
        <title>{`Latency of the last minute, up to ${Math.max(...known).toFixed(0)} ms`}</title>
        <path d={path} />
      </svg>
      <figcaption>
        <span>60 s</span>
        <span>{`max ${Math.max(...known).toFixed(0)} ms`}</span>
      </figcaption>
    </figure>
  )
}
