import { parseArgs } from 'node:util'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import { examine } from '../doctor/examine.ts'
import { type Finding, worst } from '../doctor/finding.ts'
import type { CliCommand } from './cli-command.ts'
import { say } from './say.ts'

const EXIT = { fine: 0, unknown: 0, warning: 0, fault: 1 } as const
const SIGNS = { fine: 'ok     ', unknown: 'unknown', warning: 'WARNING', fault: 'FAULT  ' } as const

export const command: CliCommand = {
  usage: [`doctor [--json] ${STATE_DIR_USAGE}`],
  about: 'Looks at what the sender needs, says what is wrong and what to change. Changes nothing.',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { ...STATE_DIR_OPTION, json: { type: 'boolean', default: false } },
    })
    const findings = await examine(stateFolderOf(values['state-dir'], process.env), process.env)
    const result = worst(findings)
    say(values.json ? `${JSON.stringify({ result, findings }, null, 2)}\n` : findings.map(lineOf).join(''))
    return EXIT[result]
  },
}

function lineOf({ severity, check, what, change }: Finding): string {
  return `${SIGNS[severity]} ${check}: ${what}\n${change === null ? '' : `          ${change}\n`}`
}
