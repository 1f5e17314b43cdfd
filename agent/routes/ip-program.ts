import { z } from 'zod'
import { runToEnd } from '../../common/supervision/run-to-end.ts'
import type { Family, MainRoute, Route, Rule } from './route-plan.ts'
import { FIRST_TABLE, MAX_TABLES, PROTOCOL } from './route-plan.ts'

/** iproute2 is in `sbin` on some systems. */
const ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
const LIMITS = { withinMs: 5000, maxBytes: 4 * 1024 * 1024 }

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
  ipproto: z.string().optional(),
  table: z.coerce.number().int().optional().catch(undefined),
  protocol: z.coerce.number().int().optional().catch(undefined),
})

async function ask<T>(family: Family, words: readonly string[], shape: z.ZodType<T>): Promise<T[]> {
  const args = [`-${family}`, '-json', '-details', ...words]
  const { how, output, errors } = await runToEnd({ command: 'ip', args, env: ENV }, '', LIMITS)
  if (how !== 'exit code 0') throw new Error(`ip ${words.join(' ')}: ${errors.trim() || how}`)
  return output.trim() === '' ? [] : z.array(shape).max(10_000).parse(JSON.parse(output))
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
    rules: rules.flatMap(({ dst: to, dport, ipproto, table, protocol }): Rule[] => {
      if (protocol !== PROTOCOL || !isOurs(table) || to === undefined) return []
      const port = dport ?? null
      return port === null && ipproto !== 'tcp' ? [] : [{ family, table, to, port }]
    }),
  }
}

const isOurs = (table: number | undefined): table is number =>
  table !== undefined && table >= FIRST_TABLE && table < FIRST_TABLE + MAX_TABLES

/**
 * Runs commands of `ip -batch`, also those after one that fails.
 * @returns what failed, in the system's words
 */
export async function change(family: Family, commands: readonly string[]): Promise<readonly string[]> {
  const args = [`-${family}`, '-force', '-batch', '-']
  const { how, errors } = await runToEnd(
    { command: 'ip', args, env: ENV },
    `${commands.join('\n')}\n`,
    LIMITS,
  )
  const said = errors.split('\n').filter((line) => line !== '' && !line.startsWith('Command failed'))
  return said.length > 0 || how === 'exit code 0' ? said : [`ip: ${how}`]
}
