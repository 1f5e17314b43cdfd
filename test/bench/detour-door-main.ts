import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { CodedError } from '../../common/errors.ts'
import { DetourDoor } from '../../signaling/detour/detour-door.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { type DoorReport, doorOrderSchema } from './detour-door-protocol.ts'

/** The door for detours behind TLS, as a hub has it, in a process of its own: `detour.ts` starts it. */
process.once('message', (raw) => {
  const { key, certificate, ports } = doorOrderSchema.parse(raw)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const door = new DetourDoor({
    maxConnections: 1000,
    events: recordEvents().events,
    count: () => {},
    admission: {
      admit(ticket) {
        const port = ports[ticket]
        if (port === undefined) throw new CodedError('unknown_ticket', 'that ticket is unknown')
        const stream = { tenantId: 'bench', streamId: ticket }
        return { stream, address: '127.0.0.1', ports: [port], kbps: 20_000, [Symbol.dispose]: () => {} }
      },
    },
  })
  const server = createServer({ key, cert: certificate })
  server.on('upgrade', (request, socket, head) => door.upgrades.take(request, socket, head))
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    const report = () => {
      const [p99, max] = [delay.percentile(99), delay.max].map((ns) => ns / 1e6)
      delay.reset()
      process.send?.({ port, loop_p99_ms: p99!, loop_max_ms: max! } satisfies DoorReport)
    }
    delay.enable()
    process.on('message', report)
    report()
  })
})
process.on('disconnect', () => process.exit())
