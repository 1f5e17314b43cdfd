import {
  type ProbeOrder,
  type ProbeReport,
  probeOrderSchema,
} from '../../agent/hardware/encoders/probe-protocol.ts'
import { Parent } from '../../common/supervision/parent.ts'

/** A probe whose first encoder crashes, whose second hangs, and whose third works. */

const parent = Parent.connect<ProbeReport, ProbeOrder>({
  told: probeOrderSchema,
  hear: ({ elements: [element] }) => {
    parent.tell({ type: 'trying', element: element! })
    // What was told leaves before the process does.
    if (element === 'mpph264enc') setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 100)
    if (element !== 'x264enc') return
    parent.tell({ type: 'tried', fact: { element, works: true, reason: null, fps_720p: 90 } })
    parent.tell({ type: 'done' })
  },
})
