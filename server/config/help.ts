import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

interface Row {
  readonly left: string
  readonly right: readonly string[]
}

/** The text of `npm start -- --help`, made from the settings themselves. */
export function helpText(): string {
  return [
    'Usage: npm start -- [--config hub.toml] [options]',
    '',
    `Runs the hub. ${PRECEDENCE} Only the file defines streams, so that their secrets are in no argument.`,
    'A running hub reads all of it again on SIGHUP (docs/operations.md).',
    '',
    '  [[streams]]',
    '  stream_id = "cam-1"        # viewers open /watch/cam-1',
    '  class = "focus"            # focus, director, record or bulk',
    '  links = 2                  # one RIST port each, from rist_ports; or: ports = [9500, 9502]',
    '  public = true              # everybody may watch; without it viewers need a token',
    '  passphrase = "…"           # AES pre-shared key, 8 to 127 characters; aes_bits = 256 or 128',
    '  username = "…"             # SRP; authentication = "passphrase" leaves it out for senders without it',
    '  password = "…"',
    '',
    'Options:',
    ...aligned([
      HELP_ROW,
      CONFIG_ROW,
      {
        left: '  --new-admin-token',
        right: ['makes one more admin token, for whoever lost theirs, and does not run the hub'],
      },
      { left: '  --revoke-admin-tokens', right: ['with it: ends all other admin tokens'] },
      ...Object.values(SETTINGS).map(rowOf),
    ]),
    '',
  ].join('\n')
}

/** The order in which places of a setting win, for the help of every program that reads settings. */
export const PRECEDENCE =
  'Each setting comes from its default, then the TOML file, then the environment, then its flag;\nthe last one wins.'

/** The options of another program that reads the hub's settings: its own options and the hub's. */
export function programOptions(own: readonly Row[], names: readonly (keyof typeof SETTINGS)[]): string[] {
  return aligned([HELP_ROW, CONFIG_ROW, ...own, ...names.map((name) => rowOf(SETTINGS[name]))])
}

const HELP_ROW: Row = { left: '  -h, --help', right: ['this text'] }
const CONFIG_ROW: Row = { left: '  -c, --config <path>', right: ['TOML file'] }

function rowOf(setting: Setting<unknown>): Row {
  return {
    left: setting.flag === '' ? `  ${setting.env}` : `  --${setting.flag} <value>`,
    right: [
      setting.help,
      `${setting.env}, ${setting.key}; default ${setting.default === '' ? 'none' : setting.default}`,
      `allowed: ${setting.allowed}`,
    ],
  }
}

function aligned(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2
  const indent = ' '.repeat(width)
  return rows.flatMap(({ left, right }) =>
    right.map((line, index) => (index === 0 ? left.padEnd(width) : indent) + line),
  )
}
