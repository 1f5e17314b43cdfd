import { useEffect } from 'preact/hooks'
import type { StateWords } from './state-words.ts'

interface StreamTitleProps {
  readonly streamId: string
  readonly words: StateWords
}

/** The page's stream and its state, in the page's bar and in the browser's tab, with a link to all streams. */
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
