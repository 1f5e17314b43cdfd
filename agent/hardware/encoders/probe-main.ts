import { setPriority } from 'node:os'
import { messageOf } from '../../../common/errors.ts'
import { Parent } from '../../../common/supervision/parent.ts'
import { encodeASecond } from './encode-a-second.ts'
import { type ProbeOrder, type ProbeReport, probeOrderSchema } from './probe-protocol.ts'

/** The probe process: tries encoders one after the other. A driver that crashes takes only this process with it. */

/** Broadcasts that are on air go first. */
const NICE = 10

setPriority(NICE)
const ordered = Promise.withResolvers<ProbeOrder>()
const parent = Parent.connect<ProbeReport, ProbeOrder>({
  told: probeOrderSchema,
  hear: (order) => ordered.resolve(order),
})

try {
  for (const element of (await ordered.promise).elements) {
    parent.tell({ type: 'trying', element })
    parent.tell({ type: 'tried', fact: await encodeASecond(element) })
  }
  parent.tell({ type: 'done' })
} catch (error) {
  parent.tell({ type: 'unavailable', reason: messageOf(error) })
}
