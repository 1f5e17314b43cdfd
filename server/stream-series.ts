import type { Gauge } from 'prom-client'
import type { StreamName } from '../sfu/media-events.ts'

type Labels = Readonly<Record<string, string>>

/**
 * The gauges with a series for each stream. A stream's series end with the stream: a leftover value would be taken for
 * a present one. Totals have no stream among their labels and stay.
 */
export class StreamSeries {
  /** By tenant and stream, then by gauge, then by the labels as text. */
  readonly #shown = new Map<string, Map<Gauge, Map<string, Labels>>>()
  /** Ended streams: later reports of their ingress come too late. */
  readonly #over = new WeakSet<StreamName>()

  /** @param more labels beside `tenant_id` and `stream_id` */
  set(gauge: Gauge, stream: StreamName, more: Labels, value: number): void {
    if (this.#over.has(stream)) return
    const labels = { tenant_id: stream.tenantId, stream_id: stream.streamId, ...more }
    const key = keyOf(stream)
    const gauges = this.#shown.get(key) ?? new Map<Gauge, Map<string, Labels>>()
    const series = gauges.get(gauge) ?? new Map<string, Labels>()
    this.#shown.set(key, gauges.set(gauge, series.set(Object.values(more).join('/'), labels)))
    gauge.set(labels, value)
  }

  /** The stream ended. */
  drop(stream: StreamName): void {
    this.#over.add(stream)
    const gauges = this.#shown.get(keyOf(stream))
    this.#shown.delete(keyOf(stream))
    for (const [gauge, series] of gauges ?? []) for (const labels of series.values()) gauge.remove(labels)
  }
}

/** Ids hold no slash. */
function keyOf({ tenantId, streamId }: StreamName): string {
  return `${tenantId}/${streamId}`
}
