import { RTCDtlsTransport } from 'werift'
import { percentile } from '../../support/frame-reader.ts'
import { ArrivalJitter } from './arrival-jitter.ts'
import { BenchViewer } from './bench-viewer.ts'
import { DatagramReader } from './datagram-reader.ts'
import { type FromViewers, toViewersSchema } from './fanout-protocol.ts'

/** How often all sockets are read: a picture comes every 33 ms, and its packets are then read by one system call. */
const READ_EVERY_MS = 10

/** Plays the viewers of the fan-out benchmark, in a process of their own. */
process.on('disconnect', () => process.exit())

interface Group {
  readonly viewers: BenchViewer[]
  /** Of its viewers that note arrivals, since they were counted last. */
  readonly deviationsMs: number[]
}

const tell = (message: FromViewers): void => void process.send?.(message)
const groups = new Map<string, Group>()
const all: BenchViewer[] = []
const certificate = await RTCDtlsTransport.SetupCertificate()
const reader = new DatagramReader()

function readAll(): void {
  for (const viewer of all)
    reader.read(viewer.descriptor, (datagram, arrivedMs) => viewer.receive(datagram, arrivedMs))
}
setInterval(readAll, READ_EVERY_MS)

function count(group: string, { viewers, deviationsMs }: Group): FromViewers {
  readAll()
  const sum = (of: (viewer: BenchViewer) => number) =>
    viewers.reduce((total, viewer) => total + of(viewer), 0)
  const deviations = deviationsMs.splice(0)
  return {
    type: 'counted',
    group,
    received: sum(({ received }) => received),
    lost: sum(({ lost }) => lost),
    jitterMs: deviations.length === 0 ? null : percentile(deviations, 0.99),
  }
}

process.on('message', (raw) => {
  const order = toViewersSchema.parse(raw)
  const group = groups.get(order.group) ?? { viewers: [], deviationsMs: [] }
  groups.set(order.group, group)
  if (order.type === 'count') return tell(count(order.group, group))
  const viewer = new BenchViewer(order, order.jitter ? new ArrivalJitter(group.deviationsMs) : null)
  all.push(viewer)
  viewer.watch(certificate).then(
    () => {
      group.viewers.push(viewer)
      tell({ type: 'viewing', id: order.id, crypto: viewer.crypto })
    },
    (error) => tell({ type: 'failed', id: order.id, why: String(error) }),
  )
})
const fingerprint = certificate.getFingerprints().find(({ algorithm }) => algorithm === 'sha-256')!.value
tell({ type: 'ready', fingerprint })
