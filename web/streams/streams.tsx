import type { StreamSummary } from '../../common/wire/flows-api.ts'
import { STATE_WORDS } from '../state-words.ts'
import { TokenForm } from '../token-form.tsx'
import { watchPath } from '../watch/watch-address.ts'
import { type StreamList, useStreamList } from './use-stream-list.ts'

/** The first page: the streams that its reader may see, with their states. */
export function Streams() {
  const { refresh, ...list } = useStreamList()
  const { streams, answer } = list
  return (
    <main class="streams">
      <header>
        <h1>Lanecast</h1>
        <p role="status" data-testid="summary">
          {summary(list)}
        </p>
      </header>
      {streams !== null && streams.length > 0 && (
        <ul data-stale={answer === 'none'}>
          {streams.map((stream) => (
            <li key={`${stream.tenant_id}/${stream.stream_id}`}>
              <StreamLink stream={stream} />
            </li>
          ))}
        </ul>
      )}
      {streams?.length === 0 && answer !== 'refused' && (
        <p class="empty">Streams appear here as soon as somebody publishes one that you may watch.</p>
      )}
      <details class="access" open={answer === 'refused'}>
        <summary>Streams that are not open to everybody</summary>
        <TokenForm onChange={refresh} />
      </details>
    </main>
  )
}

function StreamLink({ stream: { tenant_id, stream_id, ...stream } }: { stream: StreamSummary }) {
  const words = STATE_WORDS[stream.state]
  return (
    <a href={watchPath(tenant_id, stream_id)} data-testid={`stream-${stream_id}`}>
      <span class="name">
        {stream_id}
        <small>{stream.class}</small>
      </span>
      <span class="pill" data-tone={words.tone}>
        {words.label}
      </span>
      {stream.reason !== undefined && <span class="reason">{stream.reason}</span>}
    </a>
  )
}

function summary({ streams, answer }: StreamList): string {
  if (answer === 'none') return 'The server can’t be reached. Trying again…'
  if (answer === 'refused') return 'The server does not take this tab’s token'
  if (streams === null) return 'Asking the server…'
  if (streams.length === 0) return 'No streams yet'
  const live = streams.filter(({ state }) => state === 'live').length
  return `${live} of ${streams.length} ${streams.length === 1 ? 'stream' : 'streams'} live`
}
