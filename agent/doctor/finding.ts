/** `unknown`: it could not be tried. `warning`: it works, and not well. `fault`: it does not work. */
export const SEVERITIES = ['fine', 'unknown', 'warning', 'fault'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface Finding {
  readonly severity: Severity
  /** The part that was looked at: `hub`, `uplinks`. */
  readonly check: string
  /** What is, or what is wrong, in words. */
  readonly what: string
  /** The change to make; null where none is needed. */
  readonly change: string | null
}

/** Findings of one part. */
export function findingsOf(check: string) {
  return {
    fine: (what: string): Finding => ({ severity: 'fine', check, what, change: null }),
    unknown: (what: string, change: string | null = null): Finding => ({
      severity: 'unknown',
      check,
      what,
      change,
    }),
    warning: (what: string, change: string): Finding => ({ severity: 'warning', check, what, change }),
    fault: (what: string, change: string): Finding => ({ severity: 'fault', check, what, change }),
  }
}

/** The worst of all findings. What could not be tried is nothing against the device. */
export function worst(findings: readonly Finding[]): Severity {
  return findings.reduce<Severity>(
    (so, { severity }) => (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(so) ? severity : so),
    'fine',
  )
}
