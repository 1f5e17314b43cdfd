import type { ViewerStatistics } from '../../signaling/client/index.ts'
import { LatencyGraph } from './latency-graph.tsx'

interface StatisticsPanelProps {
  readonly statistics: ViewerStatistics | null
  readonly history: readonly (number | null)[]
  readonly onClose: () => void
}

type Quality = 'good' | 'warn' | 'bad'

interface Row {
  readonly name: string
  readonly value: string
  readonly testId: string
  readonly quality?: Quality | undefined
}

const NONE = '–'
const ms = (value: number | null, digits = 0) => (value === null ? NONE : `${value.toFixed(digits)} ms`)
const rate = (kbps: number) => (kbps >= 1000 ? `${(kbps / 1000).toFixed(2)} Mb/s` : `${kbps.toFixed(0)} kb/s`)

/** How good a value is, by the two thresholds where good ends and where bad begins. */
const judge = (value: number | null, warn: number, bad: number): Quality | undefined => {
  if (value === null) return undefined
  if (value >= bad) return 'bad'
  return value >= warn ? 'warn' : 'good'
}

function rowsOf(now: ViewerStatistics): Row[] {
  const sync = now.lipSyncMs
  return [
    {
      name: 'Resolution',
      value: now.width > 0 ? `${now.width} × ${now.height}` : NONE,
      testId: 'resolution',
    },
    { name: 'Frame rate', value: `${now.framesPerSecond.toFixed(0)} /s`, testId: 'frame-rate' },
    { name: 'Video', value: rate(now.videoKbps), testId: 'video-rate' },
    { name: 'Audio', value: now.audioKbps > 0 ? rate(now.audioKbps) : NONE, testId: 'audio-rate' },
    {
      name: 'Layer',
      value: now.spatialLayer === null ? 'single' : String(now.spatialLayer),
      testId: 'layer',
    },
    {
      name: 'Granted',
      value: now.grantedKbps === null ? NONE : `up to ${rate(now.grantedKbps)}`,
      testId: 'granted',
    },
    {
      name: 'Packet loss',
      value: `${(now.loss * 100).toFixed(now.loss > 0 && now.loss < 0.1 ? 2 : 0)} %`,
      testId: 'loss',
      quality: judge(now.loss, 0.005, 0.03),
    },
    { name: 'Jitter', value: ms(now.jitterMs, 1), testId: 'jitter', quality: judge(now.jitterMs, 30, 80) },
    { name: 'Jitter buffer', value: ms(now.jitterBufferMs), testId: 'jitter-buffer' },
    {
      name: 'Round trip',
      value: ms(now.rttMs, 1),
      testId: 'round-trip',
      quality: judge(now.rttMs, 150, 400),
    },
    {
      name: 'Lip sync',
      value: sync === null ? NONE : `sound ${Math.abs(sync).toFixed(0)} ms ${sync >= 0 ? 'late' : 'early'}`,
      testId: 'lip-sync',
      quality: judge(sync === null ? null : Math.abs(sync), 60, 150),
    },
    {
      name: 'Freezes',
      value: String(now.freezesTotal),
      testId: 'freezes',
      quality: judge(now.freezes, 1, 3),
    },
    { name: 'Dropped frames', value: String(now.framesDroppedTotal), testId: 'dropped' },
    { name: 'Join time', value: ms(now.joinMs), testId: 'join-time' },
    { name: 'Transport', value: transportOf(now), testId: 'transport' },
    ...(now.relay === null ? [] : [{ name: 'Relay', value: hostOf(now.relay), testId: 'relay' }]),
  ]
}

const transportOf = ({ protocol, relay }: ViewerStatistics) =>
  protocol === null ? NONE : `${relay === null ? '' : 'TURN over '}${protocol.toUpperCase()}`

/** Host and port of a TURN URL. */
const hostOf = (url: string) => /^turns?:([^?]+)/.exec(url)?.[1] ?? 'unknown'

/** Numbers for those who want them, opened with a button or the key `i`. */
export function StatisticsPanel({ statistics, history, onClose }: StatisticsPanelProps) {
  const latency = statistics?.glassToGlassMs ?? null
  return (
    <section class="statistics" id="statistics" aria-label="Statistics" data-testid="statistics">
      <header>
        <h2>Statistics</h2>
        <button type="button" class="close" aria-label="Close statistics" onClick={onClose}>
          ×
        </button>
      </header>
      <div class="latency">
        <p>
          <span class="name">Glass to glass</span>
          <strong data-testid="glass-to-glass" data-quality={judge(latency, 250, 600)}>
            {latency === null ? 'not measurable' : ms(latency)}
          </strong>
          {latency !== null && statistics?.captureSource === 'arrival' && (
            <span class="remark">from arrival at the server</span>
          )}
        </p>
        <LatencyGraph history={history} />
      </div>
      {statistics === null ? (
        <p class="none">Nothing is received yet.</p>
      ) : (
        <dl>
          {rowsOf(statistics).map((row) => (
            <div key={row.name}>
              <dt>{row.name}</dt>
              <dd data-testid={row.testId} data-quality={row.quality}>
                {row.value}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}
