/*
 * Which routes and rules bind the ports of a sender's links to the interfaces of these links (ip-rule(8)). librist binds no
 * socket to an interface. But each link of a contract has a UDP port of its own at the hub, and a rule looks at that.
 * Pure.
 */

/** Marks what is ours among the routes and rules of the machine (rtnetlink(7), `rtm_protocol`). */
export const PROTOCOL = 78
/** Priority of our rules: after those of `local`, before those of `main`. */
export const PRIORITY = 7700
/** Of what no rule about a port takes. */
const TCP_PRIORITY = 7701
/** Our tables: one for each link, from here on. */
export const FIRST_TABLE = 7701
/** Links that are told apart. */
export const MAX_TABLES = 64

const WAY_METRIC = 10
const NO_WAY_METRIC = 9999

export type Family = 4 | 6
export const FAMILIES: readonly Family[] = [4, 6]

export interface Route {
  readonly family: Family
  readonly table: number
  /** A prefix, or `default`. */
  readonly to: string
  /** null: packets end here. */
  readonly way: {
    readonly device: string
    readonly gateway: string | null
    readonly source: string | null
  } | null
}

export interface Rule {
  readonly family: Family
  readonly table: number
  /** Address of the hub. */
  readonly to: string
  /** UDP port of a link's endpoint; null for all TCP. */
  readonly port: number | null
}

/** A route of the machine's own, in its main table. */
export type MainRoute = Pick<Route, 'family' | 'to'> & {
  readonly device: string
  readonly gateway: string | null
  readonly source: string | null
  readonly metric: number
}

/** An endpoint that a link dials; with `port` null, all TCP that goes to this address by the link. */
export interface Dialled {
  readonly link: string
  readonly family: Family
  readonly address: string
  readonly port: number | null
}

/** A link, and the interface that it is now; null while the interface is away. */
export interface LinkInterface {
  readonly table: number
  readonly device: string | null
  /** Where the main table has no default route for the interface. */
  readonly gateway: string | null
}

/**
 * A table for each link: what the main table says about the link's interface, and that there is no other way. Without the
 * latter packets of a link whose modem is away would leave by another modem, and the link would look alive.
 */
export function planRoutes(
  dialled: readonly Dialled[],
  links: ReadonlyMap<string, LinkInterface>,
  main: readonly MainRoute[],
): { readonly routes: readonly Route[]; readonly rules: readonly Rule[] } {
  const routes: Route[] = []
  const rules: Rule[] = []
  for (const family of FAMILIES) {
    const mine = dialled.filter((one) => one.family === family)
    for (const link of new Set(mine.map((one) => one.link))) {
      const at = links.get(link)
      if (!at) continue
      const { table } = at
      routes.push(...waysOf(family, at, main), { family, table, to: 'default', way: null })
      for (const { address, port } of mine.filter((one) => one.link === link))
        rules.push({ family, table, to: address, port })
    }
  }
  return { routes, rules }
}

function waysOf(
  family: Family,
  { table, device, gateway }: LinkInterface,
  main: readonly MainRoute[],
): Route[] {
  if (device === null) return []
  const best = new Map<string, MainRoute>()
  const own = main.filter((route) => route.family === family && route.device === device)
  for (const route of own.toSorted((one, other) => other.metric - one.metric)) best.set(route.to, route)
  const ways = [...best.values()].map(
    ({ to, gateway, source }): Route => ({ family, table, to, way: { device, gateway, source } }),
  )
  if (best.has('default') || gateway === null || familyOf(gateway) !== family) return ways
  return [...ways, { family, table, to: 'default', way: { device, gateway, source: null } }]
}

export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)

/** The words that `ip route` takes for a route, without the command. Two routes with the same words are the same. */
export function wordsOfRoute({ table, to, way }: Route): string {
  const end = (metric: number) => `table ${table} metric ${metric} proto ${PROTOCOL}`
  if (way === null) return `unreachable ${to} ${end(NO_WAY_METRIC)}`
  const { device, gateway, source } = way
  const via = gateway === null ? '' : ` via ${gateway}`
  const from = source === null ? '' : ` src ${source}`
  // A modem's gateway may lie outside of the modem's own prefix.
  const onlink = gateway === null ? '' : ' onlink'
  return `${to}${via} dev ${device}${from}${onlink} ${end(WAY_METRIC)}`
}

/** The words that `ip rule` takes for a rule, without the command. */
export const wordsOfRule = ({ table, to, port }: Rule): string =>
  port === null
    ? `pref ${TCP_PRIORITY} to ${to} ipproto tcp lookup ${table} protocol ${PROTOCOL}`
    : `pref ${PRIORITY} to ${to} ipproto udp dport ${port} lookup ${table} protocol ${PROTOCOL}`

/** What stands in one place of a table: a route replaces another one there. */
const placeOf = ({ table, to, way }: Route): string => `${table} ${to} ${way === null}`

/** The commands of `ip -batch` that make `want` of `have`, of one family. First ways appear, then rules, then ways go. */
export function changes(
  have: { readonly routes: readonly Route[]; readonly rules: readonly Rule[] },
  want: { readonly routes: readonly Route[]; readonly rules: readonly Rule[] },
): readonly string[] {
  const has = new Set([...have.routes.map(wordsOfRoute), ...have.rules.map(wordsOfRule)])
  const wanted = new Set([...want.routes.map(wordsOfRoute), ...want.rules.map(wordsOfRule)])
  const places = new Set(want.routes.map(placeOf))
  return [
    ...want.routes
      .map(wordsOfRoute)
      .filter((words) => !has.has(words))
      .map((words) => `route replace ${words}`),
    ...have.rules
      .map(wordsOfRule)
      .filter((words) => !wanted.has(words))
      .map((words) => `rule del ${words}`),
    ...want.rules
      .map(wordsOfRule)
      .filter((words) => !has.has(words))
      .map((words) => `rule add ${words}`),
    ...have.routes
      .filter((route) => !wanted.has(wordsOfRoute(route)) && !places.has(placeOf(route)))
      .map((route) => `route del ${wordsOfRoute(route)}`),
  ]
}
