import { CodedError, messageOf } from '../../common/errors.ts'
import { createLogger } from '../../common/logger.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { type HubToIngress, hubToIngressSchema, type IngressToHub } from '../../common/wire/ingress-ipc.ts'
import { loadBatchedRist } from './batched-rist.ts'
import { IngressSession } from './ingress-session.ts'

/** The entry of one ingress process: one stream's RIST in, its lane's RTP out, as the hub says. */
let session: IngressSession | null = null
/** Messages are handled one after the other; `attach` must not overtake `start`. */
let work: Promise<void> = Promise.resolve()

const hub = Parent.connect<IngressToHub, HubToIngress>({
  told: hubToIngressSchema,
  hear: (message) => {
    work = work.then(() => handle(message)).catch(fail)
  },
  stop: () => session?.[Symbol.asyncDispose](),
})
hub.tell({ type: 'loaded' })

async function handle(message: HubToIngress): Promise<void> {
  switch (message.type) {
    case 'start': {
      const logger = createLogger(message.log_level)
      const why = loadBatchedRist()
      if (why !== null) {
        logger.warn({ room: 'ingress', why }, 'librist runs without batches: run `npm run setup`')
      }
      session = await IngressSession.open(message, (report) => hub.tell(report), fail, logger)
      return hub.tell({ type: 'ready' })
    }
    case 'attach':
      return session?.attach(message)
    case 'detach':
      return session?.detach()
  }
}

function fail(error: unknown): void {
  const code = error instanceof CodedError ? error.code : 'ingress_failed'
  hub.fail({ type: 'failed', code, message: messageOf(error) })
}
