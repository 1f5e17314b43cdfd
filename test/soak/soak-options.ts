import { parseArgs } from 'node:util'

export interface SoakOptions {
  readonly minutes: number
  /** The same seed does the same things in the same order, as far as the machine lets it. */
  readonly seed: string
  /** The verdict as one JSON object on standard output. */
  readonly json: boolean
}

export const SOAK_HELP = `Usage: npm run soak -- [--minutes N] [--seed S] [--json]

Runs a real hub for N minutes. Viewers, publishers, senders and people who mean no good come and go, and the soak kills the
hub's children. At the end it tells whether the hub gave back all that it held. The whole takes two to three minutes longer:
the hub is warmed up for half a minute, and the soak waits for quiet twice. It keeps both cores of a small machine busy.

  --minutes N  0.2 to 10000; default 5
  --seed S     decides what is done in which order; default: the time
  --json       the verdict as JSON on standard output

Exit status: 0 clean, 1 something leaked or failed, 2 it could not run.
`

/** @returns null where only help was asked for. @throws for invalid options */
export function readOptions(args: readonly string[]): SoakOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now()) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const minutes = Number(values.minutes)
  if (!(minutes >= 0.2 && minutes <= 10_000))
    throw new Error(`--minutes ${values.minutes}: must be a number from 0.2 to 10000`)
  return { minutes, seed: values.seed, json: values.json }
}
