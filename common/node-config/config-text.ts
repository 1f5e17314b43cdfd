import { parse as parseToml, stringify as stringifyToml, TomlError } from 'smol-toml'
import { CodedError } from '../errors.ts'
import { issueLines } from '../issue-lines.ts'
import { type NodeConfig, nodeConfigSchema } from '../wire/node-config.ts'

/** Longest text of a document, bytes. A full one with four broadcasts and eight uplinks has some 8 kB. */
export const MAX_CONFIG_BYTES = 64 * 1024

export type ConfigFormat = 'json' | 'toml'

/** The document of a text, checked by its schema. @throws CodedError `config_invalid` with a line for each fault */
export function parseConfigText(text: string, format: ConfigFormat): NodeConfig {
  return parseConfig(readConfigText(text, format))
}

/** A value as a document. @throws CodedError `config_invalid` with a line for each fault */
export function parseConfig(value: unknown): NodeConfig {
  const parsed = nodeConfigSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid('the configuration is not valid', issueLines('', parsed.error.issues, nodeConfigSchema))
}

/**
 * What a text holds, not checked by the schema. TOML knows no null: `sound = false` stands for no sound.
 * @throws CodedError `config_invalid`
 */
export function readConfigText(text: string, format: ConfigFormat): unknown {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES)
    throw invalid(`the configuration is longer than ${MAX_CONFIG_BYTES} bytes`)
  try {
    return format === 'json' ? JSON.parse(text) : withNoSound(parseToml(text))
  } catch (error) {
    // The parser's message quotes the text, which may hold a password: only its place is told.
    const place = error instanceof TomlError ? ` at line ${error.line}, column ${error.column}` : ''
    throw invalid(`the configuration is not ${format.toUpperCase()}${place}`)
  }
}

/** The document as somebody would write it, with every default. The caller masks secrets. */
export function configText(config: NodeConfig, format: ConfigFormat): string {
  if (format === 'json') return `${JSON.stringify(config, null, 2)}\n`
  const broadcasts = config.broadcasts.map((broadcast) => ({
    ...broadcast,
    sound: broadcast.sound ?? false,
  }))
  return stringifyToml({ ...config, broadcasts })
}

function withNoSound(value: Record<string, unknown>): unknown {
  const { broadcasts } = value
  if (!Array.isArray(broadcasts)) return value
  return {
    ...value,
    broadcasts: broadcasts.map((one) => (one?.sound === false ? { ...one, sound: null } : one)),
  }
}

function invalid(message: string, details: readonly string[] = []): CodedError {
  return new CodedError('config_invalid', message, { details })
}
