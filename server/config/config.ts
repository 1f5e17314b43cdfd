import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { parse as parseToml, TomlError } from 'smol-toml'
import { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import { isLoopback } from '../tls/loopback.ts'
import { tlsRequirement } from '../tls/tls-requirement.ts'
import { type ConfiguredRelay, configuredRelay, MAX_RELAYS, relayProblems } from './configured-relay.ts'
import { type ConfiguredStream, configuredStream, streamProblems } from './configured-stream.ts'
import type { Setting, Source } from './setting.ts'
import { SETTINGS } from './settings.ts'
import { sharedPorts } from './shared-ports.ts'

type Values = {
  [Name in keyof typeof SETTINGS]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never
}

export interface Config extends Values {
  readonly streams: readonly ConfiguredStream[]
  /** TURN servers beside the hub's own. */
  readonly relays: readonly ConfiguredRelay[]
}

/** Thrown with one line for each fault: the field, where it was set, its value, what is allowed. */
export class ConfigError extends CodedError {
  constructor(details: readonly string[]) {
    super('bad_config', 'the configuration is not valid', { status: 500, details })
    this.name = 'ConfigError'
  }
}

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly config: Config }
  /** Makes one more token of the hub's admin, instead of running the hub. */
  | { readonly kind: 'new-admin-token'; readonly config: Config; readonly revokeOthers: boolean }

/** A program's own flags, beside those of the settings. */
export type OwnFlags = NonNullable<ParseArgsConfig['options']>

/** Flags of the hub beside its settings. */
const HUB_FLAGS: OwnFlags = {
  'new-admin-token': { type: 'boolean' },
  'revoke-admin-tokens': { type: 'boolean' },
}

export interface Configuration {
  readonly config: Config
  /** Where each setting came from. */
  readonly sources: Readonly<Record<keyof typeof SETTINGS, Source>>
  /** The TOML file; null without one. */
  readonly file: string | null
  /** The program's own flags that were given, as `parseArgs` returns them. */
  readonly own: Readonly<Record<string, unknown>>
}

/**
 * What the command line asks of the hub.
 * @throws ConfigError that names every fault at once
 */
export function loadConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  const read = readConfig(argv, env, HUB_FLAGS)
  if (read === 'help') return { kind: 'help' }
  const { config, own } = read
  const revokeOthers = own['revoke-admin-tokens'] === true
  if (own['new-admin-token'] === true) return { kind: 'new-admin-token', config, revokeOthers }
  if (revokeOthers) throw new ConfigError(['--revoke-admin-tokens (flag): goes with --new-admin-token'])
  return { kind: 'run', config }
}

/**
 * The configuration as every program of the hub reads it: defaults, then the TOML file of `--config`, then environment,
 * then flags. A program with the hub's flags and environment sees the hub's configuration.
 * @throws ConfigError that names every fault at once
 */
export function readConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  ownFlags: OwnFlags,
): Configuration | 'help' {
  const flags = readFlags(argv, ownFlags)
  if (flags['help'] === true) return 'help'
  const problems: string[] = []
  const sources: Record<string, Source> = {}
  const path = typeof flags['config'] === 'string' ? flags['config'] : null
  const file = path === null ? {} : readFile(path)
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const { source, raw } = choose(setting, flags, env, file)
    const value = setting.read(raw)
    sources[name] = source
    if (value === undefined) problems.push(problem(setting, source, raw))
    else values[name] = value
  }
  problems.push(...unknownKeys(file))
  const streams = z
    .array(configuredStream)
    .max(10_000)
    .safeParse(file['streams'] ?? [])
  if (!streams.success)
    for (const issue of streams.error.issues)
      problems.push(`streams.${issue.path.join('.')} (config file): ${issue.message}`)
  else problems.push(...streamProblems(streams.data))
  const relays = z
    .array(configuredRelay)
    .max(MAX_RELAYS)
    .safeParse(file['relays'] ?? [])
  for (const issue of relays.error?.issues ?? [])
    problems.push(`relays.${issue.path.join('.')} (config file): ${issue.message}`)
  const config = {
    ...(values as unknown as Values),
    streams: streams.data ?? [],
    relays: relays.data ?? [],
  }
  if (problems.length === 0) problems.push(...crossChecks(config))
  if (problems.length > 0) throw new ConfigError(problems)
  const own = Object.fromEntries(Object.keys(ownFlags).map((name) => [name, flags[name]]))
  return { config, sources: sources as Configuration['sources'], file: path, own }
}

function readFlags(argv: readonly string[], ownFlags: OwnFlags): Record<string, unknown> {
  const options: OwnFlags = {
    help: { type: 'boolean', short: 'h' },
    config: { type: 'string', short: 'c' },
    ...ownFlags,
  }
  for (const setting of Object.values(SETTINGS))
    if (setting.flag !== '') options[setting.flag] = { type: 'string' }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false, strict: true }).values
  } catch (error) {
    throw new ConfigError([`${messageOf(error)} (flag); --help lists what there is`])
  }
}

function readFile(path: string): Record<string, unknown> {
  try {
    return parseToml(readFileSync(path, 'utf8'))
  } catch (error) {
    const where = error instanceof TomlError ? `line ${error.line}, column ${error.column}: ` : ''
    throw new ConfigError([`${path} (config file): ${where}${messageOf(error).split('\n')[0]}`])
  }
}

function choose(
  setting: Setting<unknown>,
  flags: Record<string, unknown>,
  env: Readonly<Record<string, string | undefined>>,
  file: Record<string, unknown>,
): { source: Source; raw: unknown } {
  const [table = '', key = ''] = setting.key.split('.')
  const inFile = (file[table] as Record<string, unknown> | undefined)?.[key]
  if (setting.flag !== '' && flags[setting.flag] !== undefined)
    return { source: 'flag', raw: flags[setting.flag] }
  if (env[setting.env] !== undefined) return { source: 'environment', raw: env[setting.env] }
  if (inFile !== undefined) return { source: 'config file', raw: inFile }
  return { source: 'default', raw: setting.default }
}

function problem(setting: Setting<unknown>, source: Source, raw: unknown): string {
  // A setting without a flag is a secret: its value is not repeated.
  if (setting.flag === '') return `${setting.env} (${source}): not allowed; allowed: ${setting.allowed}`
  const name = {
    default: setting.key,
    'config file': setting.key,
    environment: setting.env,
    flag: `--${setting.flag}`,
  }
  return `${name[source]} (${source}): ${JSON.stringify(raw)} is not allowed; allowed: ${setting.allowed}`
}

function unknownKeys(file: Record<string, unknown>): string[] {
  const known = new Map<string, string[]>()
  for (const { key } of Object.values(SETTINGS)) {
    const [table = '', name = ''] = key.split('.')
    known.set(table, [...(known.get(table) ?? []), name])
  }
  return Object.entries(file).flatMap(([table, content]) => {
    if (table === 'streams' || table === 'relays') return []
    const allowed = known.get(table)
    if (!allowed)
      return [
        `${table} (config file): unknown; allowed: ${[...known.keys(), 'streams', 'relays'].join(', ')}`,
      ]
    if (typeof content !== 'object' || content === null)
      return [`${table} (config file): must be a table; allowed in it: ${allowed.join(', ')}`]
    return Object.keys(content)
      .filter((key) => !allowed.includes(key))
      .map((key) => `${table}.${key} (config file): unknown; allowed: ${allowed.join(', ')}`)
  })
}

/** Whether nobody can know what to tell others about a listener on all addresses. */
function isUnknown(ip: string, announced: string, { stunServer }: Pick<Config, 'stunServer'>): boolean {
  return ['0.0.0.0', '::'].includes(ip) && announced === '' && stunServer === null
}

/** Faults that involve several settings. */
function crossChecks(config: Config): string[] {
  const problems: string[] = []
  if (config.databaseUrl !== '' && !/^postgres(ql)?:\/\//.test(config.databaseUrl))
    problems.push(`${SETTINGS.databaseUrl.env}: not allowed; allowed: ${SETTINGS.databaseUrl.allowed}`)
  if (isUnknown(config.ristIp, config.ristAnnounced, config))
    problems.push(
      `${SETTINGS.ristAnnounced.env}: needed when ${SETTINGS.ristIp.env} is ${config.ristIp}: the address senders can reach; or ${SETTINGS.stunServer.env}, which finds it`,
    )
  if (!isLoopback(config.metrics.host))
    problems.push(
      `${SETTINGS.metrics.env}: ${config.metrics.host} is not loopback, and what stands there needs no token; from elsewhere scrape /metrics of the hub itself, over TLS, with an admin's token`,
    )
  if (config.tlsAcmeEmail !== '' && config.amnesia)
    problems.push(
      `${SETTINGS.tlsAcmeEmail.env}: not with ${SETTINGS.amnesia.env}: each start would order another certificate, and a CA gives few in a week`,
    )
  if (config.tlsAcmeEmail !== '' && config.tlsAcmeHttp.port === config.bind.port && config.bind.port !== 0)
    problems.push(
      `${SETTINGS.tlsAcmeHttp.env}: port ${config.bind.port} is that of ${SETTINGS.bind.env}, which speaks TLS; port 80 is for ${SETTINGS.tlsAcmeHttp.env} and 443 for ${SETTINGS.bind.env}`,
    )
  const requirement = tlsRequirement(config.bind.host, config)
  if (requirement.kind === 'error') problems.push(...requirement.error.details)
  if (isUnknown(config.rtcIp, config.rtcAnnounced, config))
    problems.push(
      `${SETTINGS.rtcAnnounced.env}: needed when ${SETTINGS.rtcIp.env} is ${config.rtcIp}: the address viewers can reach; or ${SETTINGS.stunServer.env}, which finds it`,
    )
  if (isIP(config.rtcIp) === 0)
    problems.push(`${SETTINGS.rtcIp.env}: "${config.rtcIp}" must be an IP address`)
  if (isIP(config.ristIp) === 0)
    problems.push(`${SETTINGS.ristIp.env}: "${config.ristIp}" must be an IP address`)
  if (config.turnIp !== '' && isIP(config.turnIp) === 0)
    problems.push(`${SETTINGS.turnIp.env}: "${config.turnIp}" must be an IP address`)
  problems.push(...relayProblems(config.relays, config.hubId), ...sharedPorts(config))
  return problems
}
