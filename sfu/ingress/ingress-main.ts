import { CodedError, messageOf } from '../../common/errors.ts'
import { createLogger } from '../../common/logger.ts'
import { type HubToIngress, hubToIngressSchema, type IngressToHub } from '../../common/wire/ingress-ipc.ts'
import { IngressSession } from './ingress-session.ts'

/**
 * The entry of one forked ingress process: one stream's RIST in, its lane's RTP out. It does what the hub says over
 * IPC, and ends with the hub: a lost channel means that nobody owns it any more.
 */
let session: IngressSession | null = null
/** Messages are handled one after the other; `attach` must not overtake `start`. */
let work: Promise<void> = Promise.resolve()

// Started by `fillCompileCache`: all is loaded, and Node writes its cache when the process ends.
if (!process.connected) process.exit(0)
process.on('disconnect', () => process.exit(0))
// A terminal's Ctrl-C, and the SIGTERM of a service manager, reach the whole group. The hub decides when its children end:
// it may drain first.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.on('message', (raw) => {
  const message = hubToIngressSchema.parse(raw)
  work = work.then(() => handle(message)).catch(fail)
})
tell({ type: 'loaded' })

async function handle(message: HubToIngress): Promise<void> {
  switch (message.type) {
    case 'start':
      session = await IngressSession.open(message, tell, fail, createLogger(message.log_level))
      return tell({ type: 'ready' })
    case 'attach':
      return session?.attach(message)
    case 'detach':
      return session?.detach()
    case 'stop':
      await session?.[Symbol.asyncDispose]()
      process.exit(0)
  }
}

function tell(message: IngressToHub): void {
  process.send?.(message, undefined, undefined, () => {})
}

function fail(error: unknown): void {
  const code = error instanceof CodedError ? error.code : 'ingress_failed'
  process.send?.({ type: 'failed', code, message: messageOf(error) } satisfies IngressToHub, () =>
    process.exit(1),
  )
}
