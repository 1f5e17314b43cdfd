import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { BondedSender } from '../../agent/bonded-sender.ts'
import { ContractKeeper } from '../../agent/contract-keeper.ts'
import { ContractSender, type ContractSenderOptions } from '../../agent/contract-sender.ts'
import { HubClient } from '../../agent/hub-client.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../../agent/ts-stamper.ts'
import { messageOf } from '../../common/errors.ts'
import { createLogger, type Logger } from '../../common/logger.ts'
import {
  type ContractConfig,
  type ExplicitConfig,
  type FieldSenderReport,
  fieldSenderCommand,
  fieldSenderConfig,
} from './field-sender-config.ts'
import { testCardArguments } from './test-card.ts'

/**
 * A simulated field sender, a process of its own: a test card encoded by ffmpeg, stamped with capture times and
 * sent over bonded, encrypted RIST, by a contract that it asks a hub for, or to where it is told. Its configuration
 * comes as a message from the process that forked it, or as one JSON line on standard input, never as arguments,
 * because it holds secrets.
 *
 * It ends when its parent goes away, on SIGTERM or SIGINT (with 0), and when ffmpeg does (with 1).
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

/** Says `sending` once, when the first link that has authenticated carries packets. */
function startReporting(logger: Logger): Pick<ContractSenderOptions, 'onLog' | 'onStats'> {
  let sending = false
  return {
    onLog: (line) => {
      logger.debug({ librist: line.message }, 'librist')
      if (line.level === 'error') logger.warn({ librist: line.message }, 'librist reports a problem')
      if (sending || !line.message.includes('receiver name is now')) return
      sending = true
      logger.info('sending')
      report({ type: 'sending' })
    },
    onStats: (stats) => report({ type: 'stats', ...stats }),
  }
}

function logLines(stream: Readable, logger: Logger): void {
  createInterface({ input: stream }).on('line', (line) => logger.warn({ line }, 'ffmpeg'))
}

/** Where the packets go. */
interface Output extends AsyncDisposable {
  write(ts: Buffer): void
}

async function toGivenLinks(config: ExplicitConfig, logger: Logger): Promise<Output> {
  const sender = await BondedSender.open({ ...config, ...startReporting(logger) })
  process.on('message', (message) => {
    const command = fieldSenderCommand.safeParse(message)
    if (!command.success) return
    sender.setWeight(command.data.link, command.data.weight).catch((thrown: unknown) => {
      logger.warn({ reason: messageOf(thrown) }, 'weight not changed')
    })
  })
  return sender
}

function byContract(config: ContractConfig, logger: Logger): Output {
  const { hub_url, token, stream_id, nullPacketDeletion } = config
  const sender = new ContractSender({ ...startReporting(logger), nullPacketDeletion })
  const client = new HubClient({ hubUrl: hub_url, token })
  const keeper = new ContractKeeper(
    client,
    { stream_id, class: config.class },
    {
      granted: (contract) => {
        const { contract_id, version } = contract
        logger.info({ contract_id, version }, 'contract')
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
      refused: ({ code, message }, again_ms) => {
        logger.warn({ code, reason: message, again_ms: Math.round(again_ms) }, 'no answer from the hub')
        report({ type: 'refused', code, message })
      },
    },
  )
  return {
    write: (ts) => sender.write(ts),
    async [Symbol.asyncDispose]() {
      await keeper[Symbol.asyncDispose]()
      await sender[Symbol.asyncDispose]()
    },
  }
}

async function run(config: Config): Promise<number> {
  const logger = createLogger(config.logLevel).child({ room: 'field-sender', name: config.card.name })
  await using output = await ('links' in config ? toGivenLinks(config, logger) : byContract(config, logger))
  const ffmpeg = spawn('ffmpeg', testCardArguments(config.card), { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(ffmpeg, 'close')
  logLines(ffmpeg.stderr, logger)
  const stamper = new TsStamper({
    captureUnixMs: (pts) => captureTimeOfWallClockPts(pts, Date.now()),
    onPackets: (packets) => output.write(packets),
  })
  ffmpeg.stdout.on('data', (chunk: Buffer) => stamper.push(chunk))

  let stopping = false
  const stop = (): void => {
    stopping = true
    ffmpeg.kill('SIGKILL')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('disconnect', stop)
  await ended
  if (!stopping) logger.error('ffmpeg ended')
  return stopping ? 0 : 1
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
