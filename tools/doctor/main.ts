import { CodedError, messageOf } from '../../common/errors.ts'
import { readConfig } from '../../server/config/config.ts'
import { PRECEDENCE, programOptions } from '../../server/config/help.ts'
import { examine, type Told, worst } from './examine.ts'

const HELP = [
  'Usage: npm run doctor -- [what the hub is given] [--json] [--time URL]',
  '',
  'Tries what a hub of this configuration needs, from this machine: ports, addresses, names, certificate, clock, limits of',
  'the kernel, disk, database, media worker. Says of each fault where it is and what to change. Changes nothing, and may',
  `run beside the hub, best as the hub's user or as root. ${PRECEDENCE}`,
  '',
  'Exit status: 0 nothing is to be changed, 1 there are warnings, 2 there are faults, or the configuration is not valid.',
  '',
  'Options:',
  ...programOptions(
    [
      { left: '  --json', right: ['the findings as one JSON object'] },
      {
        left: '  --time <url>',
        right: [
          'asks this server for the time, https://… or sntp://host:port; by default that of tls.acme_directory',
        ],
      },
    ],
    [],
  ),
  '  All settings of the hub are taken as well: npm start -- --help lists them.',
  '',
].join('\n')

const EXIT = { fine: 0, unknown: 0, warning: 1, fault: 2 } as const

process.exitCode = await main()

async function main(): Promise<number> {
  const json = process.argv.includes('--json')
  try {
    const read = readConfig(process.argv.slice(2), process.env, {
      json: { type: 'boolean' },
      time: { type: 'string' },
    })
    if (read === 'help') {
      process.stdout.write(HELP)
      return 0
    }
    const told = await examine({
      config: read.config,
      env: process.env,
      file: read.file,
      timeServer: timeServerOf(read.own['time']),
    })
    tell(told, json)
    return EXIT[worst(told)]
  } catch (error) {
    const details = error instanceof CodedError ? error.details : []
    const lines = details.length > 0 ? details : [messageOf(error)]
    tell(
      lines.map((what) => ({
        check: 'configuration',
        severity: 'fault',
        what,
        where: 'settings',
        change: 'mend the setting that the line names; npm start -- --help lists what is allowed',
      })),
      json,
    )
    return EXIT.fault
  }
}

function timeServerOf(given: unknown): string | null {
  if (given === undefined) return null
  if (typeof given === 'string' && URL.canParse(given) && /^(https|sntp):\/\//.test(given)) return given
  throw new CodedError('bad_arguments', '--time: not allowed; allowed: https://… or sntp://host:port')
}

function tell(told: readonly Told[], json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify({ result: worst(told), findings: told })}\n`)
  for (const { severity, check, where, what, change } of told) {
    process.stdout.write(`${severity.padEnd(8)} ${check}: ${where}: ${what}\n`)
    if (change !== null) process.stdout.write(`         change: ${change}\n`)
  }
}
