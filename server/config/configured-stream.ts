import { z } from 'zod'
import { streamClassSchema, streamIdSchema } from '../../common/wire/stream.ts'
import { laneInputTextSchema, MAX_INPUTS, switchRulesSchema } from '../../common/wire/switched-inputs.ts'
import { inputStreamId } from '../flows/lane-inputs.ts'

const switchRules = switchRulesSchema.shape
const secret = z.string().min(8, 'at least 8 characters').max(127, 'at most 127 characters')

/** A stream of the configuration: `[[streams]]` of the file. */
export const configuredStream = z.strictObject({
  stream_id: streamIdSchema,
  class: streamClassSchema.default('director'),
  /** How many links the sender bonds, or the exact ports to listen on. */
  links: z.number().int().min(1).max(16).default(2),
  ports: z.array(z.number().int().min(1).max(65_535)).min(1).max(16).optional(),
  passphrase: secret,
  aes_bits: z.union([z.literal(128), z.literal(256)]).default(256),
  /** Whether everybody may watch it without a token. */
  public: z.boolean().default(false),
  authentication: z.enum(['srp', 'passphrase']).default('srp'),
  username: z.string().min(1).max(127).optional(),
  password: secret.optional(),
  /** One of several senders of the stream, of whom one is on air. */
  input: laneInputTextSchema.optional(),
  /** Of the first input that says any: see `SwitchRules`. `false`: by hand only. */
  threshold_ms: switchRules.threshold_ms.optional(),
  frozen_ms: switchRules.frozen_ms.unwrap().optional(),
  return_after_ms: z
    .union([switchRules.return_after_ms.unwrap(), z.literal(false)])
    .transform((ms) => (ms === false ? null : ms))
    .optional(),
})
export type ConfiguredStream = z.infer<typeof configuredStream>

/** The stream that a contract of the configuration sends: that of the input, where there are several. */
export function sentStreamOf({ stream_id, input }: Pick<ConfiguredStream, 'stream_id' | 'input'>): string {
  return input ? inputStreamId(stream_id, input) : stream_id
}

/** Faults of the configuration's streams that no single field shows. */
export function streamProblems(streams: readonly ConfiguredStream[]): string[] {
  const seen = new Set<string>()
  const lanes = new Map<string, ConfiguredStream[]>()
  return streams.flatMap((stream, index) => {
    const { stream_id, authentication, username, password, input } = stream
    const at = `streams.${index}`
    const problems: string[] = []
    const of = lanes.get(stream_id) ?? []
    const [first] = of
    lanes.set(stream_id, [...of, stream])
    const id = nameOf(stream)
    if (id === null)
      problems.push(`${at}.stream_id (config file): at most 54 characters for a stream with several inputs`)
    else if (seen.has(id)) problems.push(`${at}.stream_id (config file): "${id}" stands there twice`)
    else if (first && (first.input === undefined) !== (input === undefined))
      problems.push(
        `${at}.input (config file): either all senders of "${stream_id}" have an input, or there is one`,
      )
    else if (first && first.class !== stream.class)
      problems.push(`${at}.class (config file): all inputs of "${stream_id}" have one class`)
    for (const rule of ['threshold_ms', 'frozen_ms', 'return_after_ms'] as const)
      if (input === undefined && stream[rule] !== undefined)
        problems.push(`${at}.${rule} (config file): only for a stream with inputs`)
    if (of.length === MAX_INPUTS)
      problems.push(`${at}.input (config file): "${stream_id}" has more than ${MAX_INPUTS} inputs`)
    seen.add(id ?? stream_id)
    if (authentication === 'srp' && (username === undefined || password === undefined))
      problems.push(
        `${at} (config file): username and password are needed; a sender that can't do SRP needs authentication = "passphrase"`,
      )
    return problems
  })
}

/** null where the name is too long for that of an input. */
function nameOf(stream: ConfiguredStream): string | null {
  try {
    return sentStreamOf(stream)
  } catch {
    return null
  }
}
