import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { createLogger } from '../../../common/logger.ts'
import type { AuthenticatedPrincipal } from '../../../server/auth/principal.ts'
import { loadConfig } from '../../../server/config/config.ts'
import { openHub } from '../../../server/hub.ts'
import { Subscriber } from '../../../sfu/subscriber.ts'

/**
 * A hub with a program of its own: what is subscribed to for `test` goes by RTP to a port of loopback. Its subscriptions
 * are asked for over IPC.
 */

const asked = z.discriminatedUnion('method', [
  z.object({
    id: z.number(),
    method: z.literal('add'),
    principal: z.custom<AuthenticatedPrincipal>(),
    tenantId: z.string(),
    streamId: z.string(),
  }),
  z.object({ id: z.number(), method: z.literal('list') }),
  z.object({ id: z.number(), method: z.literal('end'), subscriptionId: z.string() }),
])

const command = loadConfig(process.argv.slice(2), process.env)
if (command.kind !== 'run') throw new Error('a hub that runs')
const hub = await openHub(command.config, process.env, createLogger(command.config.logLevel))
const port = z.coerce.number().parse(process.env['RTP_TO'])

hub.subscriptions.serve('test', (stream, abr, { contract }) => {
  if (contract?.abr !== abr) throw new Error('a contract with these bounds')
  const subscriber = new Subscriber({
    stream,
    connect: async (router) => {
      const transport = await router.createPlainTransport({
        listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
      })
      await transport.connect({ ip: '127.0.0.1', port })
      return transport
    },
    demand: { video: true, audio: false, claim: 0 },
    consuming: () => {},
    failed: (error) => process.stderr.write(`${error}\n`),
  })
  return { bound: () => {}, [Symbol.dispose]: () => subscriber[Symbol.dispose]() }
})

const answer = async (question: z.infer<typeof asked>): Promise<unknown> => {
  const { subscriptions } = hub
  if (question.method === 'list') return subscriptions.list()
  if (question.method === 'end') return subscriptions.end(question.subscriptionId, 'user:test', 'not wanted')
  const wish = { stream_id: question.streamId, purpose: 'test', class: 'director', max_kbps: null } as const
  return subscriptions.add(question.principal, question.tenantId, wish)
}

process.on('message', (message) => {
  const question = asked.parse(message)
  answer(question).then(
    (value) => process.send?.({ id: question.id, value }),
    (error) =>
      process.send?.({ id: question.id, refused: error instanceof CodedError ? error.code : `${error}` }),
  )
})
for (const signal of ['SIGTERM', 'disconnect'] as const)
  process.once(signal, () => void hub[Symbol.asyncDispose]().then(() => process.exit(0)))
process.send?.({
  type: 'ready',
  url: hub.url,
  metrics_url: hub.metricsUrl,
  admin_token: hub.firstAdminToken?.token ?? null,
})
