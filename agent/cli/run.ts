import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { createLogger } from '../../common/logger.ts'
import { openServiceManager } from '../../common/service-manager/service-manager.ts'
import { LOG_LEVELS } from '../../common/wire/log-level.ts'
import { openDaemon } from '../daemon/daemon.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import type { CliCommand } from './cli-command.ts'

/** The agent must be gone this long after SIGTERM. What hangs is left to the system. */
const STOP_WITHIN_MS = 8000
/** Exit code of an agent that is to be started again, by another release. The unit of the package knows it. */
const START_AGAIN = 87

export const command: CliCommand = {
  usage: [`run [--config FILE] [--log-level LEVEL] ${STATE_DIR_USAGE}`],
  about: 'Runs the agent until SIGTERM or SIGINT.',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...STATE_DIR_OPTION,
        config: { type: 'string' },
        'log-level': { type: 'string', default: process.env['LOG_LEVEL'] ?? 'info' },
      },
    })
    const level = LOG_LEVELS.find((known) => known === values['log-level'])
    if (!level)
      throw new CodedError('bad_arguments', `"${values['log-level']}" is no log level`, {
        details: [`use one of ${LOG_LEVELS.join(', ')}`],
      })
    const logger = createLogger(level)
    const stopping = new AbortController()
    let exitCode = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())
    using manager = await openServiceManager(process.env, logger)
    const daemon = await openDaemon({
      state: stateFolderOf(values['state-dir'], process.env),
      ...(values.config !== undefined && { configFile: values.config }),
      again: () => {
        exitCode = START_AGAIN
        stopping.abort()
      },
      logger,
    })
    const { node_id, hub_url } = daemon.status
    manager.ready(`node ${node_id} of ${hub_url}`)
    logger.info({ node: node_id, hub: hub_url }, 'agent runs')
    if (!stopping.signal.aborted) await once(stopping.signal, 'abort')
    manager.stopping(STOP_WITHIN_MS)
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await daemon[Symbol.asyncDispose]()
    logger.info('agent has stopped')
    return exitCode
  },
}
