import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Family, MainRoute, Route, Rule } from './route-plan.ts'
import { FIRST_TABLE, MAX_TABLES, PROTOCOL } from './route-plan.ts'

const run = promisify(execFile)

/** iproute2 is in `sbin` on some systems. */
const ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
const LIMITS = { timeout: 5000, maxBuffer: 4 * 1024 * 1024, env: ENV }

const routeJson = z.object({
  type: z.string().default('unicast'),
  dst: z.string(),
  gateway: z.string().optional(),
  dev: z.string().optional(),
  table: z.coerce.number().int().optional().catch(undefined),
  prefsrc: z.string().optional(),
  metric: z.number().default(0),
})
const ruleJson = z.object({
  dst: z.string().optional(),
  dport: z.number().int().optional(),
  table: z.coerce.number().int().optional().catch(undefined),
  protocol: z.coerce.number().int().optional().catch(undefined),
})

async function ask<T>(family: Family, words: readonly string[], shape: z.ZodType<T>): Promise<T[]> {
  const { stdout } = await run('ip', [`-${family}`, '-json', '-details', ...words], LIMITS)
  return stdout.trim() === '' ? [] : z.array(shape).max(10_000).parse(JSON.parse(stdout))
}

/** The ways of the machine's main table. @throws where `ip` (iproute2) is missing or fails */
export async function mainRoutes(family: Family): Promise<MainRoute[]> {
  const routes = await ask(family, ['route', 'show', 'table', 'main'], routeJson)
  return routes.flatMap(({ type, dst, gateway, dev, prefsrc, metric }): MainRoute[] =>
    type === 'unicast' && dev !== undefined
      ? [{ family, to: dst, device: dev, gateway: gateway ?? null, source: prefsrc ?? null, metric }]
      : [],
  )
}

/** Our own routes and rules, as they are now. @throws as `mainRoutes` */
export async function ownRoutes(family: Family): Promise<{ routes: Route[]; rules: Rule[] }> {
  const [routes, rules] = await Promise.all([
    ask(family, ['route', 'show', 'table', 'all', 'proto', String(PROTOCOL)], routeJson),
    ask(family, ['rule', 'show'], ruleJson),
  ])
  return {
    routes: routes.flatMap(({ type, dst: to, gateway, dev, prefsrc, table }): Route[] => {
      if (!isOurs(table)) return []
      if (type === 'unreachable') return [{ family, table, to, way: null }]
      const way = { device: dev ?? '', gateway: gateway ?? null, source: prefsrc ?? null }
      return [{ family, table, to, way }]
    }),
    rules: rules.flatMap(({ dst: to, dport: port, table, protocol }): Rule[] =>
      protocol === PROTOCOL && isOurs(table) && to !== undefined && port !== undefined
        ? [{ family, table, to, port }]
        : [],
    ),
  }
}

const isOurs = (table: number | undefined): table is number =>
  table !== undefined && table >= FIRST_TABLE && table < FIRST_TABLE + MAX_TABLES

/**
 * Runs commands of `ip -batch`, also those after one that fails.
 * @returns what failed, in the system's words
 * @throws where `ip` is missing
 */
export async function change(family: Family, commands: readonly string[]): Promise<readonly string[]> {
  const child = spawn('ip', [`-${family}`, '-force', '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: LIMITS.timeout,
    env: ENV,
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < 10_000) said += text
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  child.stdin.on('error', () => {}) // 'close' tells.
  child.stdin.end(`${commands.join('\n')}\n`)
  await ended
  return said.split('\n').filter((line) => line !== '' && !line.startsWith('Command failed'))
}
