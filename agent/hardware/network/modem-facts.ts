import { z } from 'zod'
import type { ModemFact } from './interfaces.ts'

/*
 * What ModemManager says of modems, by its D-Bus interface (ModemManager-enums.h and the interfaces' descriptions). Unknown
 * properties are left out, and those of a modem that is just waking up may be missing.
 */

const MODEM = 'org.freedesktop.ModemManager1.Modem'
const NETWORK = 'org.freedesktop.ModemManager1.Modem.Modem3gpp'
/** `MM_MODEM_PORT_TYPE_NET`. */
const PORT_NET = 2

/** `MMModemState`, from -1. */
const STATES = [
  'failed',
  'unknown',
  'initializing',
  'locked',
  'disabled',
  'disabling',
  'enabling',
  'enabled',
  'searching',
  'registered',
  'disconnecting',
  'connecting',
  'connected',
] as const

/** `MMModemAccessTechnology`, the newest first: bit and name. */
const TECHNOLOGIES = [
  [15, '5gnr'],
  [14, 'lte'],
  [16, 'lte-cat-m'],
  [17, 'lte-nb-iot'],
  [9, 'hspa+'],
  [8, 'hspa'],
  [7, 'hsupa'],
  [6, 'hsdpa'],
  [5, 'umts'],
  [13, 'evdo-b'],
  [12, 'evdo-a'],
  [11, 'evdo-0'],
  [10, '1xrtt'],
  [4, 'edge'],
  [3, 'gprs'],
  [2, 'gsm-compact'],
  [1, 'gsm'],
] as const
/** As 5G without a core of its own: both at once. */
const MOST_TECHNOLOGIES = 2

const managedSchema = z.record(
  z.string(),
  z.object({
    [MODEM]: z
      .object({
        Manufacturer: z.string().default(''),
        Model: z.string().default(''),
        State: z.int().default(0),
        AccessTechnologies: z.int().default(0),
        SignalQuality: z.tuple([z.number(), z.boolean()]).optional(),
        Ports: z.array(z.tuple([z.string(), z.int()])).default([]),
        Bearers: z.array(z.string()).default([]),
      })
      .optional(),
    [NETWORK]: z.object({ OperatorName: z.string().default('') }).optional(),
  }),
)

/** A modem, with what leads to its interfaces. */
export interface Modem {
  readonly fact: ModemFact
  /** Interfaces that the modem brings. */
  readonly interfaces: readonly string[]
  /** D-Bus paths of its connections, each of which may have an interface of its own. */
  readonly bearers: readonly string[]
}

/** @param managed answer to `GetManagedObjects` of ModemManager. @throws Error for what is none */
export function modemsOf(managed: unknown): readonly Modem[] {
  return Object.values(managedSchema.parse(managed)).flatMap(({ [MODEM]: modem, [NETWORK]: network }) => {
    if (!modem) return []
    const [percent] = modem.SignalQuality ?? []
    const model = `${modem.Manufacturer} ${modem.Model}`.trim().slice(0, 200)
    const fact: ModemFact = {
      operator: network?.OperatorName.slice(0, 200) || null,
      technology: technologyOf(modem.AccessTechnologies),
      signal_percent: percent === undefined ? null : Math.min(100, Math.max(0, percent)),
      state: STATES[modem.State + 1] ?? 'unknown',
      model: model === '' ? null : model,
    }
    const interfaces = modem.Ports.filter(([, type]) => type === PORT_NET).map(([name]) => name)
    return [{ fact, interfaces, bearers: modem.Bearers }]
  })
}

/** @param properties all of a `org.freedesktop.ModemManager1.Bearer`. null where it has no interface now */
export function interfaceOfBearer(properties: unknown): string | null {
  return z.object({ Interface: z.string().default('') }).parse(properties).Interface || null
}

function technologyOf(bits: number): string | null {
  const names = TECHNOLOGIES.filter(([bit]) => (bits & (1 << bit)) !== 0).map(([, name]) => name)
  return names.length === 0 ? null : names.slice(0, MOST_TECHNOLOGIES).join(', ')
}
