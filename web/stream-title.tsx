import { useEffect } from 'preact/hooks'
import type { StateWords } from './state-words.ts'

interface StreamTitleProps {
  readonly streamId: string
  readonly words: StateWords
}

/** Which stream a page is about and how it is, in its bar and in the browser's tab; and the way to all others. */
export function StreamTitle({ streamId, words: { label, tone } }: StreamTitleProps) {
  useEffect(() => {
    document.title = `${streamId} · ${label} · Lanecast`
  }, [streamId, label])

  return (
    <>
      <a class="home" href="/" title="All streams">
        Lanecast
      </a>
      <span class="stream" data-testid="stream-id">
        {streamId}
      </span>
      <span class="pill" data-tone={tone} data-testid="state" role="status">
        {label}
      </span>
    </>
  )
}
