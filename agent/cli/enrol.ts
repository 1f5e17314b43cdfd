import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import { enrol } from '../node/enrolment.ts'
import { loadIdentity, saveIdentity } from '../node/node-identity.ts'
import type { CliCommand } from './cli-command.ts'

export const command: CliCommand = {
  usage: [`enrol URL TOKEN [--authority FILE] [--force] ${STATE_DIR_USAGE}`],
  about: 'Makes this machine a node of the hub, by a token that works once.',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...STATE_DIR_OPTION,
        authority: { type: 'string', multiple: true, default: [] },
        force: { type: 'boolean', default: false },
      },
    })
    const [hubUrl, token] = positionals
    if (hubUrl === undefined || token === undefined || positionals.length > 2 || !URL.canParse(hubUrl)) {
      process.stderr.write(`Usage: lanecast-agent ${command.usage[0]}\n`)
      return 2
    }
    const { identity: file } = stateFolderOf(values['state-dir'], process.env)
    const present = values.force ? undefined : await loadIdentity(file)
    if (present)
      throw new CodedError('already_enrolled', `this machine is ${present.node_id} of ${present.hub_url}`, {
        details: ['add --force to enrol it anew; the present identity is then lost'],
      })
    const authorities = await Promise.all(values.authority.map((path) => readFile(path, 'utf8')))
    const identity = await enrol({ hubUrl, token, authorities }, AbortSignal.timeout(30_000))
    await saveIdentity(file, identity)
    process.stdout.write(`This machine is now node ${identity.node_id} of ${identity.hub_url}\n`)
    return 0
  },
}
