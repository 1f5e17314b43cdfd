import { CodedError, messageOf } from '../common/errors.ts'
import { type ArchiveFile, listArchives } from '../server/audit/archive-file.ts'
import { type AuditAnchor, verifyChain } from '../server/audit/verify-chain.ts'
import { type Configuration, readConfig } from '../server/config/config.ts'
import { PRECEDENCE, programOptions } from '../server/config/help.ts'
import { SETTINGS } from '../server/config/settings.ts'
import { archiveFolderOf, givenKeys, keyFileOf, storeConfig } from '../server/state.ts'
import { existingKeyring, type Keyring } from '../server/store/keyring.ts'
import { openAuditSource } from '../server/store/open-audit-source.ts'
import type { StoreConfig } from '../server/store/open-store.ts'

const HELP = [
  'Usage: npm run audit:verify -- [what the hub is given] [--no-keys] [--anchor SEQ:HASH ...]',
  '',
  "Walks the audit trail's hash chain and tells whether all of it is as the hub wrote it.",
  '',
  'The database is the one that a hub would use which is started with the same flags in the same environment, and is',
  `named in the answer. ${PRECEDENCE}`,
  '',
  'It may run beside the hub. Exit status: 0 all is well, 1 the trail is not as it was written, 2 it could not be checked.',
  '',
  'Without a noted anchor nobody can tell when a whole database was put back to an earlier state of its own: note the',
  'last line of an earlier run somewhere else, and give it as --anchor.',
  '',
  'Options:',
  ...programOptions(
    [
      {
        left: '  --data <folder>',
        right: ['the SQLite database in this folder, whatever the configuration says'],
      },
      { left: '  --keys <file>', right: ["the hub's master keys, before SEALING_KEYS and keys_file"] },
      {
        left: '  --archives <folder>',
        right: ['archive files of the trail, beside those of audit_archive_dir; may be given several times'],
      },
      { left: '  --no-archives', right: ['check only what is in the database'] },
      { left: '  --no-keys', right: ['check the chain alone, not its seal'] },
      {
        left: '  --anchor SEQ:HASH',
        right: ['a record noted earlier, as this program printed it: must still be there, unchanged'],
      },
    ],
    ['databaseUrl', 'dataDir', 'keysFile', 'auditArchiveDir'],
  ),
  '  All other settings of the hub are taken as well, and not looked at: npm start -- --help lists them.',
  '',
].join('\n')

const OWN_FLAGS = {
  data: { type: 'string' },
  keys: { type: 'string' },
  'no-keys': { type: 'boolean' },
  archives: { type: 'string', multiple: true },
  'no-archives': { type: 'boolean' },
  anchor: { type: 'string', multiple: true },
} as const

interface Task {
  readonly where: Exclude<StoreConfig, { kind: 'memory' }>
  /** The verified database, in words and without secrets. */
  readonly name: string
  readonly keys: () => Keyring | undefined
  readonly anchors: readonly AuditAnchor[]
  /** Undefined: archives are not checked. */
  readonly archives: (() => Promise<ArchiveFile[]>) | undefined
}

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const read = readConfig(process.argv.slice(2), process.env, OWN_FLAGS)
    if (read === 'help') {
      process.stdout.write(HELP)
      return 0
    }
    return await verify(taskOf(read, process.env))
  } catch (error) {
    const details = error instanceof CodedError ? error.details : []
    process.stderr.write([`audit:verify: ${messageOf(error)}`, ...details, ''].join('\n  ').trimEnd())
    process.stderr.write('\n')
    return 2
  }
}

async function verify({ where, name, keys: findKeys, anchors, archives }: Task): Promise<number> {
  process.stdout.write(`${name}\n`)
  await using source = await openAuditSource(where)
  const keys = findKeys()
  const verdict = await verifyChain(source, {
    anchors,
    ...(archives && { archives }),
    ...(keys && { keyOf: (id: string) => keys.derive(id, 'audit') }),
  })
  if (!verdict.ok) {
    process.stdout.write(`BROKEN at record ${verdict.seq}: ${verdict.problem}\n`)
    return 1
  }
  const { count, head, sealChecked, archived, archivesChecked } = verdict
  const seal = sealChecked ? 'seal checked' : 'seal not checked'
  const files =
    archived === 0 ? '' : `, ${archived} of them archived and ${archivesChecked ? '' : 'not '}checked`
  process.stdout.write(`OK: ${count} records${files}, ${seal}\n`)
  if (count > 0) process.stdout.write(`anchor: ${count}:${head.hash}\n`)
  return 0
}

/** @throws CodedError for a wrong command line */
function taskOf({ config, sources, own }: Configuration, env: NodeJS.ProcessEnv): Task {
  const { data, keys } = own
  const configured =
    typeof data === 'string' ? { ...config, amnesia: false, databaseUrl: '', dataDir: data } : config
  const where = storeConfig(configured)
  if (where.kind === 'memory')
    throw new CodedError(
      'bad_arguments',
      `there is no trail to verify: ${placeOf('amnesia', sources)} keeps all in memory`,
    )
  const place = where.kind === 'postgres' ? 'databaseUrl' : 'dataDir'
  const said = typeof data === 'string' ? '--data' : placeOf(place, sources)
  const listed = (name: 'anchor' | 'archives'): readonly unknown[] => {
    const given = own[name]
    return Array.isArray(given) ? given : []
  }
  const folders = [archiveFolderOf(configured), ...listed('archives').map(String)]
  return {
    where,
    name: `${nameOf(where)} (${said})`,
    keys: () => (own['no-keys'] === true ? undefined : keysOf(keys, configured, env)),
    anchors: listed('anchor').map((anchor) => anchorOf(String(anchor))),
    archives:
      own['no-archives'] === true
        ? undefined
        : async () => (await Promise.all(folders.map(listArchives))).flat(),
  }
}

/** The name under which somebody gave a setting, so that they see which place won. */
function placeOf(name: 'amnesia' | 'dataDir' | 'databaseUrl', sources: Configuration['sources']): string {
  const { env, flag, key } = SETTINGS[name]
  return {
    flag: `--${flag}`,
    environment: `${env} of the environment`,
    'config file': `${key} of the configuration file`,
    default: `the default of ${key}`,
  }[sources[name]]
}

/** The user's name stays, because it tells databases of one server apart. Password and options go. */
function nameOf(where: Task['where']): string {
  if (where.kind === 'sqlite') return `SQLite in ${where.folder}`
  const url = URL.parse(where.url)
  if (!url) return 'PostgreSQL'
  const socket = url.searchParams.get('host')
  const user = url.username === '' ? '' : `${url.username}@`
  return `PostgreSQL ${user}${socket ?? url.host}${url.pathname}`
}

function keysOf(
  file: unknown,
  config: Pick<Configuration['config'], 'dataDir' | 'keysFile'>,
  env: NodeJS.ProcessEnv,
): Keyring {
  const given = typeof file === 'string' ? undefined : givenKeys(env)
  if (given) return given
  const path = typeof file === 'string' ? file : keyFileOf(config)
  const keys = existingKeyring(path)
  // A seal that is silently not checked would be worth nothing.
  if (!keys)
    throw new CodedError('keys_missing', `the master keys are not at hand: there is no ${path}`, {
      details: [
        'give --keys or SEALING_KEYS; with --no-keys only the chain is checked, and who has',
        'the database may have computed it anew',
      ],
    })
  return keys
}

function anchorOf(text: string): AuditAnchor {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (!match)
    throw new CodedError('bad_arguments', `--anchor ${text}: must be SEQ:HASH, as this program prints it`)
  return { seq: Number(match[1]), hash: match[2]! }
}
