import { readFile } from 'node:fs/promises'
import { text as standardInputText } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import { readEnrolmentToken } from '../../common/wire/enrolment-text.ts'
import { STATE_DIR_OPTION, STATE_DIR_USAGE, stateFolderOf } from '../daemon/state-folder.ts'
import { enrol } from '../node/enrolment.ts'
import { loadIdentity, saveIdentity } from '../node/node-identity.ts'
import { pinnedAuthority } from '../node/pinned-authority.ts'
import type { CliCommand } from './cli-command.ts'
import { complain, say } from './say.ts'

const ENROL_WITHIN_MS = 30_000

export const command: CliCommand = {
  usage: [`enrol URL TOKEN|- [--authority FILE] [--force] ${STATE_DIR_USAGE}`],
  about:
    'Makes this machine a node of the hub, by a token that works once; with - it reads the token from standard input.',
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
    const [hubUrl, written] = positionals
    if (hubUrl === undefined || written === undefined || positionals.length > 2 || !URL.canParse(hubUrl)) {
      complain(`Usage: lanecast-agent ${command.usage[0]}\n`)
      return 2
    }
    // What stands on the command line, every user of the machine can read.
    const text = written === '-' ? await standardInputText(process.stdin) : written
    const { identity: file } = stateFolderOf(values['state-dir'], process.env)
    const present = values.force ? undefined : await loadIdentity(file)
    if (present)
      throw new CodedError('already_enrolled', `this machine is ${present.node_id} of ${present.hub_url}`, {
        details: ['add --force to enrol it anew; the present identity is then lost'],
      })
    const enrolment = readEnrolmentToken(text)
    if (!enrolment)
      throw new CodedError('bad_arguments', 'that is no enrolment token', {
        details: ["it is what stands behind the hub's address: le_…, with a pin behind a dot"],
      })
    const { token, pin } = enrolment
    const signal = AbortSignal.timeout(ENROL_WITHIN_MS)
    const authorities = await Promise.all(values.authority.map((path) => readFile(path, 'utf8')))
    if (pin !== null) authorities.push(await pinnedAuthority(new URL(hubUrl), pin, signal))
    const identity = await enrol({ hubUrl, token, authorities }, signal).catch((error: unknown) => {
      throw authorities.length === 0 ? withoutPin(error) : error
    })
    await saveIdentity(file, identity)
    say(`This machine is now node ${identity.node_id} of ${identity.hub_url}\n`)
    return 0
  },
}

/** Without a pin the board knows hubs with a certificate of a public CA alone. */
function withoutPin(error: unknown): unknown {
  if (!(error instanceof CodedError) || error.code !== 'hub_untrusted') return error
  const { code, message, details } = error
  return new CodedError(code, message, {
    details: [
      ...details,
      "the token has no pin: take the whole text that the hub gave, or its CA's certificate by --authority FILE",
    ],
  })
}
