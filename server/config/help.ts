import { SETTINGS } from './settings.ts'

/** The text of `npm start -- --help`, made from the settings themselves. */
export function helpText(): string {
  const rows = Object.values(SETTINGS).map((setting) => ({
    left: setting.flag === '' ? `  ${setting.env}` : `  --${setting.flag} <value>`,
    right: [
      setting.help,
      `${setting.env}, ${setting.key}; default ${setting.default === '' ? 'none' : setting.default}`,
      `allowed: ${setting.allowed}`,
    ],
  }))
  const width = Math.max(...rows.map((row) => row.left.length)) + 2
  const indent = ' '.repeat(width)
  return [
    'Usage: npm start -- [--config hub.toml] [options]',
    '',
    'Runs the hub. Each setting comes from its default, then the TOML file, then the environment, then its flag;',
    'the last one wins. Streams stand in the file only, so that their secrets are in no argument:',
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
    `${'  -h, --help'.padEnd(width)}this text`,
    `${'  -c, --config <path>'.padEnd(width)}TOML file`,
    `${'  --new-admin-token'.padEnd(width)}does not run the hub but makes one more admin token, for who lost theirs`,
    `${'  --revoke-admin-tokens'.padEnd(width)}with it: ends all other admin tokens`,
    ...rows.flatMap(({ left, right }) =>
      right.map((line, index) => (index === 0 ? left.padEnd(width) : indent) + line),
    ),
    '',
  ].join('\n')
}
