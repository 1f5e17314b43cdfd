import { flushCompileCache } from 'node:module'
import { CodedError, messageOf } from '../common/errors.ts'
import { createLogger } from '../common/logger.ts'
import { openServiceManager } from '../common/service-manager/service-manager.ts'
import { type Command, type Config, loadConfig } from './config/config.ts'
import { helpText } from './config/help.ts'
import { terminalIsGone } from './terminal.ts'

/** The hub must be gone this long after SIGTERM. What hangs is left to the system. */
const STOP_WITHIN_MS = 4500

const command = configure()
const { config } = command
const logger = createLogger(config.logLevel)
const [{ openHub }, { adminTokenNotice }] = await Promise.all([
  import('./hub.ts'),
  import('./auth/admin-token.ts'),
])
if (command.kind === 'run') await run(config)
else await printAdminToken(command)

/** The configuration. On a fault, ends the process and says in words what is wrong. */
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

/** What a start would read now. @throws ConfigError */
function readAgain(): Config {
  const again = loadConfig(process.argv.slice(2), process.env)
  return again.kind === 'help' ? config : again.config
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
  try {
    await serve(config, nextStop())
    logger.info('hub has stopped')
    process.exit(0)
  } catch (error) {
    fail(error, 1)
  }
}

/** Runs the hub until it is told to stop, and closes it. */
async function serve(config: Config, stop: AbortSignal): Promise<void> {
  const startedAt = performance.now()
  using manager = await openServiceManager(process.env, logger)
  const opening = openHub(config, process.env, logger)
  // One that comes before the hub is up waits for it.
  process.on('SIGHUP', () => {
    if (!terminalIsGone()) opening.then((hub) => hub.reload(readAgain)).catch(() => {})
  })
  await using hub = await Promise.race([opening, aborted(stop)])
  // Stopped before it was up: children see their channels close and end by themselves.
  if (!hub) process.exit(0)
  logger.info(
    { url: hub.url, metrics_url: hub.metricsUrl, took_ms: Math.round(performance.now() - startedAt) },
    'hub is ready',
  )
  manager.ready(`serves at ${hub.url}`)
  flushCompileCache()
  const { firstAdminToken } = hub
  // A process that forked the hub gets the token over the channel, a person gets it once on the terminal.
  if (process.send)
    process.send({
      type: 'ready',
      url: hub.url,
      metrics_url: hub.metricsUrl,
      admin_token: firstAdminToken?.token ?? null,
    })
  else if (firstAdminToken) process.stdout.write(`${adminTokenNotice(firstAdminToken)}\n`)
  await aborted(stop)
  logger.info({ signal: stop.reason, drain_ms: config.drainMs }, 'hub is stopping')
  manager.stopping(config.drainMs + STOP_WITHIN_MS + 1000)
  // A second signal means: do not wait for running flows.
  if (config.drainMs > 0) await hub.drain(config.drainMs, nextStop())
  setTimeout(() => {
    logger.error('hub did not stop in time')
    process.exit(1)
  }, STOP_WITHIN_MS).unref()
}

/** Aborts when the hub is told to stop the next time. The reason is the signal's name. */
function nextStop(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(signal))
  // The terminal is gone, and with it whoever could press Ctrl-C. Other hang-ups ask for the configuration again.
  process.on('SIGHUP', () => terminalIsGone() && stop.abort('SIGHUP'))
  // The process that forked the hub is gone, and nobody else would end the hub.
  process.once('disconnect', () => stop.abort('SIGTERM'))
  return stop.signal
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null)
    signal.addEventListener('abort', () => resolve(null), { once: true })
  })
}

function fail(error: unknown, code: number): never {
  const details = error instanceof CodedError ? error.details : []
  process.stderr.write(
    [`lanecast: ${messageOf(error)}`, ...details.map((line) => `  ${line}`), ''].join('\n'),
  )
  if (!(error instanceof CodedError) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exit(code)
}
