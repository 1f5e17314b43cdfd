import { enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { CodedError, messageOf } from '../common/errors.ts'
import { createLogger } from '../common/logger.ts'
import { type Command, type Config, loadConfig } from './config/config.ts'
import { helpText } from './config/help.ts'
import { requireNode } from './require-node.ts'

/** The hub must be gone this long after SIGTERM; what hangs is left to the system. */
const STOP_WITHIN_MS = 4500

requireNode()
// What Node makes of the sources is kept: a third of the start is spent on that, and 26 MB by what strips the types.
enableCompileCache(join(import.meta.dirname, '../.cache/compile'))
const command = configure()
const { config } = command
const logger = createLogger(config.logLevel)
const [{ openHub }, { adminTokenNotice }] = await Promise.all([
  import('./hub.ts'),
  import('./auth/admin-token.ts'),
])
if (command.kind === 'run') await run(config)
else await printAdminToken(command)

/** The configuration, or the end of the process with what is wrong, in words. */
function configure(): Exclude<Command, { kind: 'help' }> {
  try {
    const command = loadConfig(process.argv.slice(2), process.env)
    if (command.kind !== 'help') return command
    process.stdout.write(helpText())
    process.exit(0)
  } catch (error) {
    fail(error, 2)
  }
}

async function printAdminToken({
  config,
  revokeOthers,
}: Command & { kind: 'new-admin-token' }): Promise<void> {
  try {
    const { makeAdminToken } = await import('./new-admin-token.ts')
    const made = await makeAdminToken(config, process.env, logger, revokeOthers)
    process.stdout.write(`${adminTokenNotice(made)}\n`)
  } catch (error) {
    fail(error, 1)
  }
}

async function run(config: Config): Promise<void> {
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
    // Whoever forked the hub is gone, and with it whoever would end it.
    process.once('disconnect', () => resolve('SIGTERM'))
  })
  // Whoever asks a second time does not want to wait for what runs.
  const stopNow = new AbortController()
  void stop.then(() => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopNow.abort())
  })
  const startedAt = performance.now()
  try {
    const hub = await Promise.race([openHub(config, process.env, logger), stop])
    // Stopped before it was up: children see their channels close and end by themselves.
    if (typeof hub === 'string') process.exit(0)
    logger.info(
      { url: hub.url, metrics_url: hub.metricsUrl, took_ms: Math.round(performance.now() - startedAt) },
      'hub is ready',
    )
    flushCompileCache()
    const { firstAdminToken } = hub
    // Whoever forked the hub gets the token over the channel; a person gets it on the terminal, once.
    if (process.send)
      process.send({
        type: 'ready',
        url: hub.url,
        metrics_url: hub.metricsUrl,
        admin_token: firstAdminToken?.token ?? null,
      })
    else if (firstAdminToken) process.stdout.write(`${adminTokenNotice(firstAdminToken)}\n`)
    logger.info({ signal: await stop, drain_ms: config.drainMs }, 'hub is stopping')
    if (config.drainMs > 0) await hub.drain(config.drainMs, stopNow.signal)
    setTimeout(() => {
      logger.error('hub did not stop in time')
      process.exit(1)
    }, STOP_WITHIN_MS).unref()
    await hub[Symbol.asyncDispose]()
    logger.info('hub has stopped')
    process.exit(0)
  } catch (error) {
    fail(error, 1)
  }
}

function fail(error: unknown, code: number): never {
  const details = error instanceof CodedError ? error.details : []
  process.stderr.write(
    [`lanecast: ${messageOf(error)}`, ...details.map((line) => `  ${line}`), ''].join('\n'),
  )
  if (!(error instanceof CodedError) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exit(code)
}
