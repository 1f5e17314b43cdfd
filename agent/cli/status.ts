import { parseArgs } from 'node:util'
import { agentStatusSchema } from '../daemon/agent-status.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import type { CliCommand } from './cli-command.ts'
import { askLocalAgent } from './local-agent.ts'
import { say } from './say.ts'
import { statusText } from './status-text.ts'

export const command: CliCommand = {
  usage: [`status [--json] ${STATE_DIR_USAGE}`],
  about: 'Shows what the running agent does.',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { ...STATE_DIR_OPTION, json: { type: 'boolean', default: false } },
    })
    const { socket } = stateFolderOf(values['state-dir'], process.env)
    const status = agentStatusSchema.parse(await askLocalAgent(socket, 'GET', '/status'))
    say(values.json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status))
    return 0
  },
}
