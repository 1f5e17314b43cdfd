import { parseArgs } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { createLogger } from '../../common/logger.ts'
import { maskSecrets } from '../../common/node-config/config-secrets.ts'
import { configText, parseConfig } from '../../common/node-config/config-text.ts'
import { EMPTY_NODE_CONFIG } from '../../common/wire/node-config.ts'
import { type Outcome, outcomeSchema } from '../../common/wire/node-protocol.ts'
import { readConfigFile } from '../config/config-file.ts'
import { ConfigFiles } from '../config/saved-config.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, type StateFolder, stateFolderOf } from '../daemon/state-folder.ts'
import type { CliCommand } from './cli-command.ts'
import { askLocalAgent } from './local-agent.ts'
import { complain, say } from './say.ts'

export const command: CliCommand = {
  usage: [
    `config check FILE ${STATE_DIR_USAGE}`,
    `config apply FILE ${STATE_DIR_USAGE}`,
    `config show [--json] ${STATE_DIR_USAGE}`,
  ],
  about: 'Checks, applies or shows what the device is to do: TOML, or JSON in files that are called so.',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...STATE_DIR_OPTION, json: { type: 'boolean', default: false } },
    })
    const [what, file, ...more] = positionals
    const state = stateFolderOf(values['state-dir'], process.env)
    if (what === 'show' && file === undefined) return await show(state, values.json ? 'json' : 'toml')
    if (what === 'check' && file !== undefined && more.length === 0) return await check(state, file)
    if (what === 'apply' && file !== undefined && more.length === 0) return await apply(state, file)
    complain(`Usage: ${command.usage.map((line) => `lanecast-agent ${line}`).join('\n       ')}\n`)
    return 2
  },
}

/** The last good document, from the disk: it is there while no agent runs, too. */
async function show(state: StateFolder, format: 'json' | 'toml'): Promise<number> {
  const saved = await new ConfigFiles(state.config, createLogger('warn')).load()
  if (format === 'toml') {
    const about = saved
      ? `version ${saved.actual.version}, applied ${new Date(saved.actual.applied_at).toISOString()}`
      : 'nobody has configured this device: these are the defaults'
    say(`# ${about}\n`)
  }
  say(configText(maskSecrets(saved?.actual.config ?? EMPTY_NODE_CONFIG), format))
  return 0
}

async function check(state: StateFolder, file: string): Promise<number> {
  const document = await readConfigFile(file)
  // Faults of form need no agent.
  parseConfig(document)
  try {
    return told(await asked(state, 'POST', '/config/check', document), 'The device can do that.')
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'agent_not_running') throw error
    say('The form is right. Whether the device can do it, only a running agent knows.\n')
    return 0
  }
}

async function apply(state: StateFolder, file: string): Promise<number> {
  const document = await readConfigFile(file)
  parseConfig(document)
  return told(await asked(state, 'PUT', '/config', document), 'Applied.')
}

async function asked(
  state: StateFolder,
  method: 'PUT' | 'POST',
  path: string,
  document: unknown,
): Promise<Outcome> {
  return outcomeSchema.parse(await askLocalAgent(state.socket, method, path, document))
}

function told(outcome: Outcome, done: string): number {
  if (outcome.state === 'done') {
    say(`${done}${outcome.detail === undefined ? '' : ` ${outcome.detail}`}\n`)
    return 0
  }
  const { reason, code, details } = outcome
  const lines = [`Refused: ${reason} (${code})`, ...details.map((detail) => `  ${detail}`)]
  complain(`${lines.join('\n')}\n`)
  return 1
}
