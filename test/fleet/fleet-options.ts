import { parseArgs } from 'node:util'
import { z } from 'zod'
import { streamClassSchema } from '../../common/wire/stream.ts'
import { TRACES } from '../support/link-traces/traces.ts'

export const FLEET_HELP = `Usage: npm run fleet -- [--senders 2] [--links 3] [--trace lte-drive]

Starts a hub and field senders, each of them the real agent on a machine of its own (a network namespace) behind uplinks of
its own, on which a trace of recorded kind is played. Browsers of this machine can watch. Ctrl-C ends everything and
leaves nothing behind. It needs root, or user namespaces, and iproute2.

  --senders N        1 to 8; default 2
  --links N          uplinks of each, 1 to 8; default 3
  --trace NAME       what their links do; default lte-drive. Without a trace (none) they are perfect:
${Object.values(TRACES)
  .map(({ name, about }) => `                       ${name.padEnd(18)} ${about}`)
  .join('\n')}
  --class CLASS      focus, director (default), record or bulk
  --bind HOST:PORT   where the pages are served; default 127.0.0.1:9415. Browsers' media comes to TCP port PORT + 5
  --seconds N        end by itself
  --json             one line of JSON a second for each sender, instead of the table
  --verbose          show the agents' and the hub's log
  -h, --help         this text
`

const count = (most: number) => z.coerce.number().int().min(1).max(most)

const optionsSchema = z.object({
  senders: count(8).default(2),
  links: count(8).default(3),
  trace: z
    .enum(['none', ...Object.keys(TRACES)], { error: `is none of none, ${Object.keys(TRACES).join(', ')}` })
    .default('lte-drive'),
  class: streamClassSchema.default('director'),
  bind: z
    .string()
    .regex(/^[^:]+:\d{1,5}$/, 'is HOST:PORT')
    .default('127.0.0.1:9415'),
  seconds: count(86_400).optional(),
  json: z.boolean().default(false),
  verbose: z.boolean().default(false),
})
export type FleetOptions = z.output<typeof optionsSchema>

/** @returns null where help is asked for. @throws Error that names each argument that is wrong */
export function readFleetOptions(args: readonly string[]): FleetOptions | null {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      senders: text,
      links: text,
      trace: text,
      class: text,
      bind: text,
      seconds: text,
      json: flag,
      verbose: flag,
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return null
  const parsed = optionsSchema.safeParse(values)
  if (parsed.success) return parsed.data
  throw new Error(
    parsed.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('\n'),
  )
}
