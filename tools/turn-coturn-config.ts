import { rm, writeFile } from 'node:fs/promises'
import { CodedError, messageOf } from '../common/errors.ts'
import { readConfig } from '../server/config/config.ts'
import { PRECEDENCE, programOptions } from '../server/config/help.ts'
import { SETTINGS } from '../server/config/settings.ts'
import { coturnConfig } from '../server/relays/coturn-config.ts'
import { turnSecretFileOf } from '../server/relays/turn-place.ts'
import { relaySecretOf, secretFrom } from '../server/relays/turn-secret.ts'

const HELP = [
  'Usage: npm run turn:coturn-config -- [what the hub is given] [--out FILE]',
  '',
  'Prints a configuration for coturn that works with a hub of the same settings (TURN_MODE=coturn).',
  PRECEDENCE,
  '',
  'The secret that hub and coturn share is in TURN_SECRET_FILE, and made there where there is none. It is never printed: --out',
  'writes the configuration with the secret into a file that only its owner reads (0600).',
  '',
  'Options:',
  ...programOptions(
    [
      { left: '  --out <file>', right: ['writes the configuration, with the secret, into this file'] },
      { left: '  --node <name>', right: ['for a relay that enrols, or has enrolled, under this name'] },
    ],
    [
      ...([
        'turnIp',
        'turnAnnounced',
        'turnPort',
        'turnTlsPort',
        'turnRelayPorts',
        'turnSecretFile',
      ] as const),
      ...([
        'turnAllowPeers',
        'turnDenyPeers',
        'turnAllocationsPerCredential',
        'turnKbpsPerAllocation',
      ] as const),
      ...(['rtcIp', 'rtcAnnounced', 'tlsCertFile', 'tlsKeyFile', 'dataDir'] as const),
    ],
  ),
  '  All other settings of the hub are taken as well, and not looked at: npm start -- --help lists them.',
  '',
].join('\n')

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const read = readConfig(process.argv.slice(2), process.env, {
      out: { type: 'string' },
      node: { type: 'string' },
    })
    if (read === 'help') {
      process.stdout.write(HELP)
      return 0
    }
    const { config, own } = read
    const { out } = own
    if (typeof out !== 'string') {
      process.stdout.write(coturnConfig(config, { secret: null }))
      return 0
    }
    const master = secretFrom(turnSecretFileOf(config), true)
    const secret = typeof own['node'] === 'string' ? relaySecretOf(master, own['node']) : master
    // The mode counts only for a file that is made: nobody may read the secret through the one before, not even for a moment.
    await rm(out, { force: true })
    await writeFile(out, coturnConfig(config, { secret }), { mode: 0o600, flag: 'wx' })
    process.stdout.write(`${out}: run turnserver -c ${out}\n`)
    if (config.turnMode !== 'coturn' && own['node'] === undefined)
      process.stdout.write(
        `The hub has ${SETTINGS.turnMode.env}=${config.turnMode} (${SETTINGS.turnMode.key}): set it to coturn, or hub and coturn both want the same ports.\n`,
      )
    return 0
  } catch (error) {
    const details = error instanceof CodedError ? error.details : []
    process.stderr.write(`turn:coturn-config: ${[messageOf(error), ...details].join('\n  ')}\n`)
    return 2
  }
}
