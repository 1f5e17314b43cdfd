import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import type { LayerStatistics, PublisherStatistics } from '../../signaling/client/index.ts'

interface SendingPanelProps {
  readonly statistics: PublisherStatistics | null
  readonly contract: FlowContract | null
  readonly demand: LayerDemand | null
}

const NONE = '–'
const rate = (kbps: number) => (kbps >= 1000 ? `${(kbps / 1000).toFixed(2)} Mb/s` : `${kbps.toFixed(0)} kb/s`)

const LIMITS: Readonly<Record<string, string>> = {
  none: 'nothing',
  cpu: 'this machine’s processor',
  bandwidth: 'the network',
}

/** Numbers of what leaves this machine, once a second. */
export function SendingPanel({ statistics, contract, demand }: SendingPanelProps) {
  if (statistics === null) return <p class="none">Numbers appear here when something is sent.</p>
  const { width, height, framesPerSecond, videoKbps, audioKbps, overheadKbps } = statistics
  const { rttMs, loss, limitation, codec, protocol } = statistics
  const rows: readonly (readonly [name: string, value: string, testId: string])[] = [
    ['Picture', width > 0 ? `${width} × ${height}, ${framesPerSecond.toFixed(0)} /s` : NONE, 'picture'],
    ['Video', videoKbps > 0 ? `${rate(videoKbps)}${codec === null ? '' : ` ${codec}`}` : NONE, 'video-rate'],
    ['Audio', audioKbps > 0 ? rate(audioKbps) : NONE, 'audio-rate'],
    ['Padding, repair', overheadKbps === null ? NONE : rate(overheadKbps), 'overhead-rate'],
    ['Granted', contract === null ? NONE : `up to ${rate(contract.abr.max_kbps)}`, 'granted'],
    ['Round trip', rttMs === null ? NONE : `${rttMs.toFixed(0)} ms`, 'round-trip'],
    ['Loss', `${(loss * 100).toFixed(loss > 0 && loss < 0.1 ? 1 : 0)} %`, 'loss'],
    ['Held back by', LIMITS[limitation] ?? limitation, 'limitation'],
    ['Transport', protocol?.toUpperCase() ?? NONE, 'transport'],
  ]
  return (
    <section class="numbers" aria-label="Statistics" data-testid="statistics">
      <dl>
        {rows.map(([name, value, testId]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd data-testid={testId}>{value}</dd>
          </div>
        ))}
      </dl>
      {statistics.layers.length > 1 && (
        <ol class="layers" aria-label="Layers">
          {statistics.layers.map((layer, index) => (
            <Layer key={layer.name} layer={layer} wanted={demand?.video[index] ?? demand === null} />
          ))}
        </ol>
      )}
    </section>
  )
}

function Layer({ layer, wanted }: { layer: LayerStatistics; wanted: boolean }) {
  const sent = layer.active && layer.kbps > 0
  return (
    <li data-sent={sent} data-testid="layer">
      <span>{layer.height > 0 ? `${layer.height}p` : layer.name}</span>
      <span>{sent ? rate(layer.kbps) : wanted ? 'paused' : 'nobody watches it'}</span>
    </li>
  )
}
