import { CodedError, messageOf } from '../common/errors.ts'
import type { CliCommand } from './cli/cli-command.ts'
import { complain, say } from './cli/say.ts'

/** Each command is loaded when it is called: `status` needs no librist. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: CliCommand }>>> = {
  enrol: () => import('./cli/enrol.ts'),
  run: () => import('./cli/run.ts'),
  status: () => import('./cli/status.ts'),
  config: () => import('./cli/config.ts'),
  doctor: () => import('./cli/doctor.ts'),
  update: () => import('./cli/update.ts'),
}

process.exit(await main(process.argv.slice(2)))

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    say(await helpText())
    return name === undefined ? 2 : 0
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!load) {
    complain(`lanecast-agent: there is no command "${name}"; see lanecast-agent --help\n`)
    return 2
  }
  const { command } = await load()
  if (args.includes('--help') || args.includes('-h')) {
    say(`${usageOf(command)}\n\n${command.about}\n`)
    return 0
  }
  try {
    return await command.run(args)
  } catch (error) {
    return told(name, error)
  }
}

/** Says in words what went wrong. */
function told(name: string, error: unknown): number {
  const isWrongCall =
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  const details = error instanceof CodedError ? error.details : []
  const lines = [`lanecast-agent ${name}: ${messageOf(error)}`, ...details.map((detail) => `  ${detail}`)]
  complain(`${lines.join('\n')}\n`)
  return isWrongCall ? 2 : 1
}

function usageOf({ usage }: CliCommand): string {
  return usage.map((line, at) => `${at === 0 ? 'Usage:' : '      '} lanecast-agent ${line}`).join('\n')
}

async function helpText(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(async (load) => (await load()).command))
  const lines = commands.flatMap(({ usage, about }) => [
    ...usage.map((line) => `  lanecast-agent ${line}`),
    `      ${about}`,
  ])
  return `The field sender of Lanecast.\n\n${lines.join('\n')}\n\nThe guide is docs/field.md.\n`
}
