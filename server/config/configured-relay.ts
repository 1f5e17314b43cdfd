import { z } from 'zod'
import { nodeIdSchema } from '../../common/wire/ids.ts'

/** `turn:host[:port][?transport=udp|tcp]` or `turns:…`, RFC 7065. */
const turnUrl = z
  .string()
  .max(300)
  .regex(
    /^(turn:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(\?transport=(udp|tcp))?|turns:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(\?transport=tcp)?)$/,
    'a URL such as turn:turn.example:3478?transport=udp',
  )

/** A TURN server elsewhere that knows the secret of `secret_file` or of the environment variable `secret_env`. */
export const configuredRelay = z
  .strictObject({
    node_id: nodeIdSchema,
    /** In the order to try. */
    urls: z.array(turnUrl).min(1).max(6),
    region: z
      .string()
      .regex(/^[\x21-\x7e]{1,64}$/)
      .optional(),
    secret_file: z.string().min(1).max(1000).optional(),
    secret_env: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/)
      .optional(),
  })
  .refine(({ secret_file, secret_env }) => (secret_file === undefined) !== (secret_env === undefined), {
    error: 'needs either secret_file or secret_env',
  })
export type ConfiguredRelay = z.infer<typeof configuredRelay>

/** Most relays beside the hub's own. */
export const MAX_RELAYS = 32

/** Node ids that stand twice. */
export function relayProblems(relays: readonly ConfiguredRelay[], hubId: string): string[] {
  const seen = new Set([hubId])
  return relays.flatMap(({ node_id }, index) => {
    const twice = seen.has(node_id)
    seen.add(node_id)
    return twice
      ? [`relays.${index}.node_id (config file): "${node_id}" stands there twice, or is the hub`]
      : []
  })
}
