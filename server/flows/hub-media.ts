import type { LogLevel } from '../../common/wire/log-level.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import type { StreamRegistry } from '../../sfu/stream-registry.ts'
import type { LivePublisherFlow } from './publisher-flow.ts'
import type { PublisherMedia } from './publisher-flows.ts'
import type { ViewerFlows } from './viewer-flows.ts'

export interface HubMediaOptions {
  readonly streams: StreamRegistry
  readonly viewers: ViewerFlows
  /** Address that RIST ports listen on. */
  readonly ristIp: string
  readonly logLevel: LogLevel
  readonly onError: (error: unknown) => void
}

/** A contract's media on this hub: its stream listens while the contract runs, and not a moment longer. */
export function hubMedia({ streams, viewers, ristIp, logLevel, onError }: HubMediaOptions): PublisherMedia {
  return {
    open({ contract, keys }: LivePublisherFlow) {
      const profile = CLASS_PROFILES[contract.class].ristBuffer
      const buffer = contract.buffer ?? {
        start_ms: profile.minMs,
        min_ms: profile.minMs,
        max_ms: profile.maxMs,
        rtt_multiple: profile.rttMultiple,
      }
      // Where nobody measured the path yet it is taken to be short: the buffer is fitted to what it really is.
      const measured = contract.latency.stages.some(
        ({ stage, source }) => stage === 'one_way' && source !== 'default',
      )
      const start_ms = measured ? buffer.start_ms : buffer.min_ms
      streams.openField({
        tenantId: contract.tenant_id,
        streamId: contract.stream_id,
        streamClass: contract.class,
        logLevel,
        links: contract.endpoints.map(({ port }) => port),
        input: {
          address: ristIp,
          passphrase: keys.passphrase,
          aes_bits: keys.aes_bits,
          authentication: keys.username === undefined ? 'passphrase' : 'srp',
          username: keys.username ?? '',
          password: keys.password ?? '',
          buffer: { ...buffer, start_ms },
        },
      })
    },
    async close({ contract }: LivePublisherFlow, reason) {
      // Viewers first see the stream's last state (`ended`), then their contracts end.
      const closed = streams.close(contract.tenant_id, contract.stream_id)
      viewers.endAll(contract.tenant_id, contract.stream_id, reason)
      await closed.catch(onError)
    },
  }
}
