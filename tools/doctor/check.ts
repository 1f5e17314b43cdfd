import type { Config } from '../../server/config/config.ts'
import type { MediaAddresses } from '../../server/media-addresses/media-addresses.ts'

/** `unknown`: it could not be tried. `warning`: it works, and not well. `fault`: it does not work. */
export const SEVERITIES = ['fine', 'unknown', 'warning', 'fault'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface Finding {
  readonly severity: Severity
  /** What is, or what is wrong, in words. */
  readonly what: string
  /** The place: a port, a file, a name, a setting. */
  readonly where: string
  /** The change to make; null where none is needed. */
  readonly change: string | null
}

export interface DoctorContext {
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  /** The configuration's file; null without one. */
  readonly file: string | null
  /** As a hub of this configuration would tell them. */
  readonly addresses: Pick<MediaAddresses, 'announced' | 'failure'>
  /** Whether the hub of this configuration answers: it then has its ports and its database. */
  readonly hubRuns: boolean
  /** Aborts when the check has had its time. */
  readonly signal: AbortSignal
  /** A time server in place of the CA's: `https://…` or `sntp://host:port`; null for the default. */
  readonly timeServer: string | null
  /** A value of /proc/sys by its name, as `net.core.rmem_max`; null where there is none. */
  readonly sysctl: (name: string) => string | null
}

export interface Check {
  readonly name: string
  /** Never changes anything. What it throws becomes a finding `unknown`. */
  run(context: DoctorContext): Promise<readonly Finding[]>
}

export const fine = (where: string, what: string): Finding => ({
  severity: 'fine',
  what,
  where,
  change: null,
})

export const unknown = (where: string, what: string, change: string | null = null): Finding => ({
  severity: 'unknown',
  what,
  where,
  change,
})

export const warning = (where: string, what: string, change: string): Finding => ({
  severity: 'warning',
  what,
  where,
  change,
})

export const fault = (where: string, what: string, change: string): Finding => ({
  severity: 'fault',
  what,
  where,
  change,
})

/** A setting's names, as a change to make shows them. */
export const named = ({ env, key }: { readonly env: string; readonly key: string }): string =>
  `${env} (${key})`
