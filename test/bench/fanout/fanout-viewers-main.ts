import { RTCDtlsTransport } from 'werift'
import { BenchViewer } from './bench-viewer.ts'
import { type FromViewers, toViewersSchema } from './fanout-protocol.ts'

/** Plays the viewers of the fan-out benchmark, in a process of their own. */
process.on('disconnect', () => process.exit())

const tell = (message: FromViewers): void => void process.send?.(message)
const groups = new Map<string, BenchViewer[]>()
const certificate = await RTCDtlsTransport.SetupCertificate()

process.on('message', (raw) => {
  const order = toViewersSchema.parse(raw)
  const group = groups.get(order.group) ?? []
  groups.set(order.group, group)
  if (order.type === 'count') {
    const sum = (of: (viewer: BenchViewer) => number) => group.reduce((all, viewer) => all + of(viewer), 0)
    return tell({ type: 'counted', received: sum(({ received }) => received), lost: sum(({ lost }) => lost) })
  }
  BenchViewer.open(order, certificate).then(
    (viewer) => {
      group.push(viewer)
      tell({ type: 'viewing', id: order.id, crypto: viewer.crypto })
    },
    (error) => tell({ type: 'failed', id: order.id, why: String(error) }),
  )
})
const fingerprint = certificate.getFingerprints().find(({ algorithm }) => algorithm === 'sha-256')!.value
tell({ type: 'ready', fingerprint })
