import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { BondedSender } from '../../agent/bonded-sender.ts'
import { ContractKeeper } from '../../agent/contract-keeper.ts'
import { ContractSender, type ContractSenderOptions } from '../../agent/contract-sender.ts'
import type { Encoder } from '../../agent/encoder/encoder.ts'
import { HubClient } from '../../agent/hub-client.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../../agent/ts-stamper.ts'
import { messageOf } from '../../common/errors.ts'
import { createLogger, type Logger } from '../../common/logger.ts'
import { startCardEncoder } from './card-encoder.ts'
import {
  type ContractConfig,
  type FieldSenderReport,
  fieldSenderCommand,
  fieldSenderConfig,
} from './field-sender-config.ts'

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

/**
 * Reports `sending` once, when the first link that has authenticated carries packets.
 * @param authenticated called whenever a link has authenticated
 */
function startReporting(
  logger: Logger,
  authenticated: () => void,
): Pick<ContractSenderOptions, 'onLog' | 'onStats'> {
  let sending = false
  return {
    onLog: (line) => {
      logger.debug({ librist: line.message }, 'librist')
      if (line.level === 'error') logger.warn({ librist: line.message }, 'librist reports a problem')
      if (!line.message.includes('receiver name is now')) return
      authenticated()
      if (sending) return
      sending = true
      logger.info('sending')
      report({ type: 'sending' })
    },
    onStats: (stats) => report({ type: 'stats', ...stats }),
  }
}

function takeCommands(sender: BondedSender, logger: Logger): void {
  process.on('message', (message) => {
    const command = fieldSenderCommand.safeParse(message)
    if (!command.success) return
    sender.setWeight(command.data.link, command.data.weight).catch((thrown: unknown) => {
      logger.warn({ reason: messageOf(thrown) }, 'weight not changed')
    })
  })
}

/** Sends by contract as long as the hub grants one: over its links, at its bitrate. */
function keepContract(
  { hub_url, token, stream_id, class: streamClass }: ContractConfig,
  sender: ContractSender,
  encoder: Encoder,
  logger: Logger,
): ContractKeeper {
  const client = new HubClient({ hubUrl: hub_url, token })
  return new ContractKeeper(
    client,
    { stream_id, class: streamClass },
    {
      granted: (contract) => {
        const { contract_id, version } = contract
        logger.info({ contract_id, version }, 'contract')
        encoder.setTarget(contract.pacing.target_kbps)
        sender.apply(contract).then(
          () => report({ type: 'contract', contract_id, version }),
          (thrown: unknown) => logger.error({ reason: messageOf(thrown) }, 'contract can not be kept'),
        )
      },
      ended: (reason) => {
        logger.warn({ reason }, 'contract ended')
        sender.stop().then(
          () => report({ type: 'contract-ended', reason }),
          (thrown: unknown) => logger.error({ reason: messageOf(thrown) }, 'sender did not stop'),
        )
      },
      ...(encoder.requestKeyframe && {
        keyframeRequested: (rendition) => encoder.requestKeyframe?.(rendition),
      }),
      demanded: (demand) => {
        encoder.setDemand(demand)
        report({ type: 'demand', ...demand })
      },
      refused: ({ code, message }, again_ms) => {
        logger.warn({ code, reason: message, again_ms: Math.round(again_ms) }, 'no answer from the hub')
        report({ type: 'refused', code, message })
      },
    },
  )
}

async function run(config: Config): Promise<number> {
  const logger = createLogger(config.logLevel).child({ room: 'field-sender', name: config.card.name })
  await using stack = new AsyncDisposableStack()
  const { nullPacketDeletion } = config
  let requestKeyframe = (): void => {}
  // The receiver has heard nothing before: with a long GOP it would wait for its first picture.
  const reporting = startReporting(logger, () => requestKeyframe())
  const sender = stack.use(
    'links' in config
      ? await BondedSender.open({ ...config, ...reporting })
      : new ContractSender({ ...reporting, nullPacketDeletion }),
  )
  const stamper = new TsStamper({
    captureUnixMs: (pts) => captureTimeOfWallClockPts(pts, Date.now()),
    onPackets: (packets) => sender.write(packets),
  })
  const { card, encoder: choice } = config
  const { encoder, kind, ended } = await startCardEncoder({
    card,
    choice,
    logger,
    onData: (chunk) => stamper.push(chunk),
  })
  stack.use(encoder)
  requestKeyframe = () => encoder.requestKeyframe?.(null)
  report({ type: 'encoder', encoder: kind })
  if (sender instanceof BondedSender) takeCommands(sender, logger)
  else if ('hub_url' in config) stack.use(keepContract(config, sender, encoder, logger))

  const stopped = new Promise<'stopped'>((resolve) => {
    for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(event, () => resolve('stopped'))
  })
  const how = await Promise.race([stopped, ended])
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
