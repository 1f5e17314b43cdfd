import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { CodedError, messageOf } from '../common/errors.ts'
import { type AuditAnchor, verifyChain } from '../server/audit/verify-chain.ts'
import { existingKeyring, type Keyring, keyFileBeside, keyringFromText } from '../server/store/keyring.ts'
import { openAuditSource } from '../server/store/open-audit-source.ts'
import type { StoreConfig } from '../server/store/open-store.ts'

const HELP = `Walks the audit trail's hash chain and tells whether all of it is as the hub wrote it.

usage: npm run audit:verify -- [--config FILE | --data DIR] [--keys FILE | --no-keys] [--anchor SEQ:HASH ...]

  --config FILE      the hub's configuration file: hub.database_url, hub.data_dir, hub.keys_file
  --data DIR         the hub's data folder (SQLite)
  --keys FILE        the hub's master keys; else SEALING_KEYS, else the file beside the data folder
  --no-keys          check the chain alone, not its seal
  --anchor SEQ:HASH  a record noted earlier, as this program printed it: must still be there, unchanged

Without --config and --data the environment says where: DATABASE_URL (PostgreSQL), or DATA_DIR.
It may run beside the hub. Exit status: 0 all is well, 1 the trail is not as it was written, 2 it could not be checked.

Without a noted anchor nobody can tell when a whole database was put back to an earlier state of its own: note the
last line of an earlier run somewhere else, and give it as --anchor.
`

const configSchema = z.object({
  hub: z
    .object({
      data_dir: z.string().optional(),
      database_url: z.string().optional(),
      keys_file: z.string().optional(),
    })
    .default({}),
})

interface Task {
  readonly where: Exclude<StoreConfig, { kind: 'memory' }>
  readonly keys: () => Keyring | undefined
  readonly anchors: readonly AuditAnchor[]
}

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const task = readTask(process.argv.slice(2), process.env)
    if (!task) {
      process.stdout.write(HELP)
      return 0
    }
    return await verify(task)
  } catch (error) {
    const details = error instanceof CodedError ? error.details : []
    process.stderr.write([`audit:verify: ${messageOf(error)}`, ...details, ''].join('\n  ').trimEnd())
    process.stderr.write('\n')
    return 2
  }
}

async function verify({ where, keys: findKeys, anchors }: Task): Promise<number> {
  await using source = await openAuditSource(where)
  const keys = findKeys()
  const verdict = await verifyChain(source, {
    anchors,
    ...(keys && { keyOf: (id: string) => keys.derive(id, 'audit') }),
  })
  if (!verdict.ok) {
    process.stdout.write(`BROKEN at record ${verdict.seq}: ${verdict.problem}\n`)
    return 1
  }
  const { count, head, sealChecked } = verdict
  const seal = sealChecked ? 'seal checked' : 'seal not checked'
  process.stdout.write(`OK: ${count} records, ${seal}\n`)
  if (count > 0) process.stdout.write(`anchor: ${count}:${head.hash}\n`)
  return 0
}

/** What to do; undefined when only help was asked for. */
function readTask(args: readonly string[], env: NodeJS.ProcessEnv): Task | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      data: { type: 'string' },
      keys: { type: 'string' },
      'no-keys': { type: 'boolean', default: false },
      anchor: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const file = values.config === undefined ? {} : readConfig(values.config).hub
  const fromFile = values.config !== undefined
  const url = fromFile ? file.database_url : env['DATABASE_URL']
  const folder = values.data ?? (fromFile ? file.data_dir : env['DATA_DIR'])
  const where = databaseOf(values.data === undefined ? url : undefined, folder)
  return {
    where,
    keys: () => (values['no-keys'] ? undefined : keysOf(values.keys ?? file.keys_file, where, env)),
    anchors: values.anchor.map(anchorOf),
  }
}

function readConfig(path: string): z.infer<typeof configSchema> {
  try {
    return configSchema.parse(parseToml(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new CodedError('bad_config', `can't read ${path}: ${messageOf(error)}`)
  }
}

function databaseOf(url: string | undefined, folder: string | undefined): Task['where'] {
  if (url) return { kind: 'postgres', url }
  if (folder) return { kind: 'sqlite', folder }
  throw new CodedError('bad_arguments', 'which database? give --data, --config, DATABASE_URL or DATA_DIR', {
    details: ['see --help'],
  })
}

function keysOf(file: string | undefined, where: Task['where'], env: NodeJS.ProcessEnv): Keyring | undefined {
  if (file === undefined && env['SEALING_KEYS']) return keyringFromText('SEALING_KEYS', env['SEALING_KEYS'])
  const path = file ?? (where.kind === 'sqlite' ? keyFileBeside(where.folder) : undefined)
  const keys = path === undefined ? undefined : existingKeyring(path)
  // A seal that is silently not looked at would be worth nothing.
  if (!keys)
    throw new CodedError(
      'keys_missing',
      `the master keys are not at hand${path ? `: there is no ${path}` : ''}`,
      {
        details: [
          'give --keys or SEALING_KEYS; with --no-keys only the chain is checked, and who has',
          'the database may have computed it anew',
        ],
      },
    )
  return keys
}

function anchorOf(text: string): AuditAnchor {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (!match)
    throw new CodedError('bad_arguments', `--anchor ${text}: must be SEQ:HASH, as this program prints it`)
  return { seq: Number(match[1]), hash: match[2]! }
}
