import test from 'ava'
import { createLogger } from '../../common/logger.ts'
import type { AuditDraft } from '../../server/audit/audit-record.ts'
import { type Config, ConfigError, loadConfig } from '../../server/config/config.ts'
import { ConfigReload, type Reloadable } from '../../server/config/config-reload.ts'
import { Metrics } from '../../server/metrics.ts'

function configured(...args: string[]): Config {
  const command = loadConfig(args, {})
  if (command.kind !== 'run') throw new Error('it asks for something else')
  return command.config
}

function rig(parts: readonly Reloadable[]) {
  const audit: AuditDraft[] = []
  const lines: Record<string, unknown>[] = []
  const metrics = new Metrics()
  const reload = new ConfigReload({
    config: configured(),
    parts,
    audit: (draft) => audit.push(draft),
    metrics,
    logger: createLogger('info', { write: (line) => lines.push(JSON.parse(line)) }),
    now: () => 5,
  })
  const count = async (outcome: string) => {
    const { values } = await metrics.configReloads.get()
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0
  }
  return { reload, audit, lines, count }
}

/** A part that writes down what happens to it. */
function part(name: 'logLevel' | 'drainMs', does: { refuses?: boolean; waits?: Promise<void> } = {}) {
  const told: string[] = []
  let value: unknown = configured()[name]
  const made: Reloadable = {
    settings: [name],
    async prepare(next) {
      told.push(`prepare ${next[name]}`)
      await does.waits
      if (does.refuses) throw new ConfigError([`${name}: it can't be`])
      return {
        changes: next[name] !== value,
        says: { [name]: String(next[name]) },
        commit: () => {
          value = next[name]
          told.push(`commit ${next[name]}`)
        },
        [Symbol.asyncDispose]: async () => void told.push('put away'),
      }
    },
  }
  return { made, told }
}

test('what changes is put in force, said, counted and recorded', async (t) => {
  const [level, drain] = [part('logLevel'), part('drainMs')]
  const { reload, audit, lines, count } = rig([level.made, drain.made])
  await reload.reload(() => configured('--log-level', 'warn'))
  t.deepEqual(level.told, ['prepare warn', 'commit warn', 'put away'])
  t.deepEqual(drain.told, ['prepare 0', 'put away'])
  const detail = { settings: ['LOG_LEVEL (hub.log_level)'], logLevel: 'warn' }
  t.like(audit[0], { at: 5, actor: 'hub', action: 'config.reload', outcome: 'applied', detail })
  t.like(lines[0], { level: 'info', ...detail })
  t.is(await count('applied'), 1)

  // Compared with what is in force now.
  await reload.reload(() => configured('--log-level', 'warn'))
  t.is(audit.at(-1)?.outcome, 'unchanged')
  t.is(await count('unchanged'), 1)
})

test('one setting that can’t change refuses all, by name, and nothing was touched', async (t) => {
  const level = part('logLevel')
  const { reload, audit, lines, count } = rig([level.made])
  await reload.reload(() => configured('--log-level', 'warn', '--bind', '127.0.0.1:1', '--workers', '3'))
  t.deepEqual(level.told, [])
  const problems = ['OVERLAY_BIND (hub.bind)', 'MEDIA_WORKERS (media.workers)'].map(
    (name) => `${name}: can't change while the hub runs`,
  )
  t.deepEqual(audit[0]?.detail, { problems })
  t.like(lines[0], { level: 'error', problems })
  t.is(await count('refused'), 1)
  // The one that was refused is not what the next is compared with.
  await reload.reload(() => configured('--log-level', 'warn'))
  t.is(audit.at(-1)?.outcome, 'applied')
})

test('a part that can’t refuses all; what others had ready is put away', async (t) => {
  const [level, drain] = [part('logLevel'), part('drainMs', { refuses: true })]
  const { reload, audit } = rig([level.made, drain.made])
  await reload.reload(() => configured('--log-level', 'warn', '--drain-ms', '7'))
  t.deepEqual(level.told, ['prepare warn', 'put away'])
  t.deepEqual(audit[0]?.detail, { problems: ["drainMs: it can't be"] })
})

test('a file that is not valid is refused with all that is wrong, up to a bound', async (t) => {
  const { reload, audit } = rig([])
  await reload.reload(() => {
    throw new ConfigError(Array.from({ length: 100 }, (_, index) => `streams.${index}: wrong`))
  })
  const { problems } = audit[0]!.detail as { problems: string[] }
  t.is(problems.length, 21)
  t.is(problems.at(-1), 'and 80 more')
})

test('changes come one after the other; those asked for meanwhile are one', async (t) => {
  const gate = Promise.withResolvers<void>()
  const level = part('logLevel', { waits: gate.promise })
  const { reload, audit } = rig([level.made])
  const reads: string[] = []
  const read = (level: string) => () => {
    reads.push(level)
    return configured('--log-level', level)
  }
  const first = reload.reload(read('warn'))
  await new Promise((resolve) => setImmediate(resolve))
  const rest = ['error', 'fatal', 'debug'].map((each) => reload.reload(read(each)))
  gate.resolve()
  await Promise.all([first, ...rest])
  t.deepEqual(reads, ['warn', 'error'])
  t.is(audit.length, 2)

  await reload[Symbol.asyncDispose]()
  await reload.reload(read('trace'))
  t.is(audit.length, 2, 'a hub that ends takes no other configuration')
})
