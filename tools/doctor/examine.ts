import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { messageOf } from '../../common/errors.ts'
import { createLogger } from '../../common/logger.ts'
import type { Config } from '../../server/config/config.ts'
import { ADDRESS_RULES, MediaAddresses } from '../../server/media-addresses/media-addresses.ts'
import { tlsRequirement } from '../../server/tls/tls-requirement.ts'
import { type Check, type DoctorContext, type Finding, SEVERITIES, type Severity, unknown } from './check.ts'
import { CHECKS } from './checks.ts'

/** Longest time of one check, ms. Each bounds its own waits; this is for what nobody thought of. */
const CHECK_MS = 20_000
const HEALTH_MS = 2000

export type Told = Finding & { readonly check: string }

export interface ExamineOptions {
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  /** The configuration's file; none by default. */
  readonly file?: string | null
  readonly timeServer: string | null
  readonly checks?: readonly Check[]
  readonly sysctl?: DoctorContext['sysctl']
}

/** Runs all checks, one after the other. Changes nothing. */
export async function examine(options: ExamineOptions): Promise<Told[]> {
  const { config, env, file = null, timeServer, checks = CHECKS, sysctl = readSysctl } = options
  const rules = { ...ADDRESS_RULES, firstMs: 4000 }
  await using addresses = await MediaAddresses.open({ config, logger: createLogger('fatal'), rules })
  const hubRuns = await answers(config)
  const told: Told[] = []
  for (const check of checks) {
    const signal = AbortSignal.timeout(CHECK_MS)
    const late = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error(`no result in ${CHECK_MS / 1000} s`)), {
        once: true,
      }),
    )
    const context = { config, env, file, timeServer, sysctl, addresses, hubRuns, signal }
    const findings = await Promise.race([check.run(context), late]).catch((error: unknown) => [
      unknown(check.name, `this could not be tried: ${messageOf(error)}`),
    ])
    for (const finding of findings) told.push({ check: check.name, ...finding })
  }
  return told
}

/** The worst of all findings. What could not be tried is no finding against the hub. */
export function worst(told: readonly Finding[]): Severity {
  return told.reduce<Severity>(
    (so, { severity }) => (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(so) ? severity : so),
    'fine',
  )
}

export function readSysctl(name: string): string | null {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim()
  } catch {
    return null
  }
}

/** Whether the hub of this configuration runs, on this machine. */
async function answers(config: Config): Promise<boolean> {
  const { host: bound, port } = config.bind
  if (port === 0) return false
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[bound] ?? bound
  const tls = tlsRequirement(bound, config).kind === 'tls'
  const options = {
    host,
    port,
    path: '/healthz',
    agent: false,
    timeout: HEALTH_MS,
    rejectUnauthorized: false,
  }
  return await new Promise((resolve) => {
    const outgoing = (tls ? httpsRequest : httpRequest)(options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    outgoing.on('timeout', () => outgoing.destroy())
    outgoing.on('error', () => resolve(false))
    outgoing.end()
  })
}
