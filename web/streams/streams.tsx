import type { StreamListing } from '../../signaling/client/stream-list.ts'
import { STATE_WORDS } from '../state-words.ts'
import { useStreamList } from './use-stream-list.ts'

/** The first page: which streams there are, and how they are. */
export function Streams() {
  const { streams, reachable } = useStreamList()
  return (
    <main class="streams">
      <header>
        <h1>Lanecast</h1>
        <p role="status" data-testid="summary">
          {summary(streams, reachable)}
        </p>
      </header>
      {streams !== null && streams.length > 0 && (
        <ul data-stale={!reachable}>
          {streams.map((stream) => (
            <li key={stream.stream_id}>
              <StreamLink stream={stream} />
            </li>
          ))}
        </ul>
      )}
      {streams?.length === 0 && (
        <p class="empty">Streams appear here as soon as the server’s configuration names them.</p>
      )}
    </main>
  )
}

function StreamLink({ stream }: { stream: StreamListing }) {
  const words = STATE_WORDS[stream.state]
  return (
    <a href={`/watch/${encodeURIComponent(stream.stream_id)}`} data-testid={`stream-${stream.stream_id}`}>
      <span class="name">
        {stream.stream_id}
        <small>{stream.class}</small>
      </span>
      <span class="pill" data-tone={words.tone}>
        {words.label}
      </span>
      {stream.reason !== undefined && <span class="reason">{stream.reason}</span>}
    </a>
  )
}

function summary(streams: readonly StreamListing[] | null, reachable: boolean): string {
  if (!reachable) return 'The server can’t be reached. Trying again…'
  if (streams === null) return 'Asking the server…'
  if (streams.length === 0) return 'No streams yet'
  const live = streams.filter(({ state }) => state === 'live').length
  return `${live} of ${streams.length} ${streams.length === 1 ? 'stream' : 'streams'} live`
}
