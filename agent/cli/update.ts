import { parseArgs } from 'node:util'
import { outcomeSchema } from '../../common/wire/node-protocol.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import type { CliCommand } from './cli-command.ts'
import { askLocalAgent } from './local-agent.ts'
import { complain, say } from './say.ts'

export const command: CliCommand = {
  usage: [`update [VERSION] [--downgrade] ${STATE_DIR_USAGE}`],
  about: 'Takes the release that the hub has for this machine, or VERSION, as soon as nothing is on air.',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...STATE_DIR_OPTION, downgrade: { type: 'boolean', default: false } },
    })
    const [version, ...rest] = positionals
    if (rest.length > 0) {
      complain(`Usage: lanecast-agent ${command.usage[0]}\n`)
      return 2
    }
    const { socket } = stateFolderOf(values['state-dir'], process.env)
    const order = { ...(version !== undefined && { version }), downgrade: values.downgrade }
    const outcome = outcomeSchema.parse(await askLocalAgent(socket, 'POST', '/update', order))
    if (outcome.state === 'done') say(`${outcome.detail ?? 'done'}\n`)
    else complain(`${[outcome.reason, ...outcome.details].join('\n  ')}\n`)
    return outcome.state === 'done' ? 0 : 1
  },
}
