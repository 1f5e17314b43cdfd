import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { messageOf } from '../../common/errors.ts'
import { createLogger, type Logger } from '../../common/logger.ts'
import { startCardEncoder } from './card-encoder.ts'
import { type FieldSenderReport, fieldSenderCommand, fieldSenderConfig } from './field-sender-config.ts'
import {
  type Agent,
  type AgentEvents,
  type ContractWay,
  type FixedWay,
  startAgent,
} from './simulated-agent.ts'

/**
 * A simulated field sender in a process of its own: a test card, encoded live, stamped with capture times and sent over
 * bonded, encrypted RIST, by a contract of a hub or to a given address. Its configuration comes as a message from its
 * parent or as one JSON line on standard input, never as arguments, because it holds secrets.
 *
 * It ends with its parent, on SIGTERM or SIGINT (with 0), and when its ffmpeg ends (with 1).
 */

type Config = z.output<typeof fieldSenderConfig>

function report(message: FieldSenderReport): void {
  if (process.connected) process.send?.(message)
}

async function receiveConfig(): Promise<Config> {
  if (process.send) {
    const [message] = await once(process, 'message')
    return fieldSenderConfig.parse(message)
  }
  for await (const line of createInterface({ input: process.stdin })) {
    return fieldSenderConfig.parse(JSON.parse(line))
  }
  throw new Error('no configuration came on standard input')
}

/** Where to send, as the configuration says. */
function wayOf(config: Config): ContractWay | FixedWay {
  if (!('hub_url' in config)) return config
  const { hub_url, token, stream_id, class: streamClass, input } = config
  return { hubUrl: hub_url, token, streamId: stream_id, streamClass, ...(input && { input }) }
}

const events: AgentEvents = {
  sending: () => report({ type: 'sending' }),
  stats: (stats) => report({ type: 'stats', ...stats }),
  ways: (ways) => report({ type: 'ways', ways: [...ways.values()] }),
  contract: (contract) => report({ type: 'contract', ...contract }),
  contractEnded: (reason) => report({ type: 'contract-ended', reason }),
  refused: ({ code, message }) => report({ type: 'refused', code, message }),
  demanded: (demand) => report({ type: 'demand', video: [...demand.video], audio: demand.audio }),
}

function takeCommands(agent: Agent, logger: Logger): void {
  process.on('message', (message) => {
    const command = fieldSenderCommand.safeParse(message)
    if (!command.success) return
    agent.setWeight(command.data.link, command.data.weight).catch((thrown: unknown) => {
      logger.warn({ reason: messageOf(thrown) }, 'weight not changed')
    })
  })
}

async function run(config: Config): Promise<number> {
  const { card, encoder: choice, nullPacketDeletion } = config
  const logger = createLogger(config.logLevel).child({ room: 'field-sender', name: card.name })
  const encoderEnded = Promise.withResolvers<'ended'>()
  await using agent = await startAgent({
    way: wayOf(config),
    nullPacketDeletion,
    startEncoder: async (onData) => {
      const { encoder, kind, ended } = await startCardEncoder({ card, choice, logger, onData })
      report({ type: 'encoder', encoder: kind })
      void ended.then(() => encoderEnded.resolve('ended'))
      return encoder
    },
    events,
    logger,
  })
  takeCommands(agent, logger)
  const stopped = new Promise<'stopped'>((resolve) => {
    for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(event, () => resolve('stopped'))
  })
  const how = await Promise.race([stopped, encoderEnded.promise])
  if (how === 'stopped') return 0
  logger.error('ffmpeg ended')
  return 1
}

try {
  process.exitCode = await run(await receiveConfig())
} catch (thrown) {
  // zod's own message would quote the refused values, and some of them are secrets.
  const reason =
    thrown instanceof z.ZodError
      ? thrown.issues.map((issue) => `${issue.path.join('.')}: ${issue.code}`).join(', ')
      : messageOf(thrown)
  createLogger('error').error({ reason }, 'field sender cannot start')
  process.exitCode = 1
}
process.exit()
