import { type Broadcast, type MediaSource, type NodeConfig, SECRET_MASK } from '../wire/node-config.ts'

/** The document for eyes: `SECRET_MASK` in place of each secret. */
export function maskSecrets(config: NodeConfig): NodeConfig {
  return withSources(config, ({ source }) => {
    if (source.kind === 'rtsp' && source.password !== undefined) return { ...source, password: SECRET_MASK }
    if (source.kind === 'srt' && source.passphrase !== undefined)
      return { ...source, passphrase: SECRET_MASK }
    return source
  })
}

/**
 * The document with the secrets that it masks taken from the document before. A secret goes to no other host or user
 * than the one it was given for: otherwise whoever may change an address could have the password sent to himself.
 * @returns lines that say which secrets are missing; empty where none is
 */
export function unmaskSecrets(
  config: NodeConfig,
  before: NodeConfig | null,
): { readonly config: NodeConfig; readonly missing: readonly string[] } {
  const missing: string[] = []
  const unmasked = withSources(config, (broadcast, at) => {
    const { source } = broadcast
    const field = source.kind === 'rtsp' ? 'password' : 'passphrase'
    if (!isMasked(source)) return source
    const known = before?.broadcasts.find((other) => keyOf(other) === keyOf(broadcast))?.source
    const secret = known && sameDoor(known, source) ? secretOf(known) : undefined
    if (secret !== undefined && secret !== SECRET_MASK) return withSecret(source, secret)
    missing.push(
      `broadcasts.${at}.source.${field}: is masked, and none was given before for this address and user`,
    )
    return source
  })
  return { config: unmasked, missing }
}

/**
 * Lines that say which masked secrets nobody has: `before` may be masked itself, as a device tells what it runs. Then the
 * device has them.
 */
export function missingSecrets(config: NodeConfig, before: NodeConfig | null): readonly string[] {
  const known =
    before && withSources(before, ({ source }) => (isMasked(source) ? withSecret(source, 'known') : source))
  return unmaskSecrets(config, known).missing
}

/** The secrets of a document by its broadcasts, without those that are masked. */
export function secretsOf(config: NodeConfig): Readonly<Record<string, string>> {
  const secrets = config.broadcasts.flatMap((broadcast) => {
    const secret = secretOf(broadcast.source)
    return secret === undefined || secret === SECRET_MASK ? [] : [[keyOf(broadcast), secret]]
  })
  return Object.fromEntries(secrets)
}

/** A masked document with its secrets, as `secretsOf` gave them, in their places. */
export function revealSecrets(masked: NodeConfig, secrets: Readonly<Record<string, string>>): NodeConfig {
  return withSources(masked, (broadcast) => {
    const { source } = broadcast
    const key = keyOf(broadcast)
    const secret = Object.hasOwn(secrets, key) ? secrets[key] : undefined
    return isMasked(source) && secret !== undefined ? withSecret(source, secret) : source
  })
}

/** Whether the document has a secret that is masked. */
export function hasMaskedSecrets(config: NodeConfig): boolean {
  return config.broadcasts.some(({ source }) => isMasked(source))
}

const isMasked = (source: MediaSource) => secretOf(source) === SECRET_MASK

/** What tells a broadcast from the others of its device. */
export const keyOf = ({ stream_id, input }: Pick<Broadcast, 'stream_id' | 'input'>) =>
  `${stream_id} ${input ?? ''}`

/** The password of a source, or its mask. */
export function secretOf(source: MediaSource): string | undefined {
  if (source.kind === 'rtsp') return source.password
  return source.kind === 'srt' ? source.passphrase : undefined
}

/** The source with another password, where it can have one. */
export function withSecret(source: MediaSource, secret: string): MediaSource {
  if (source.kind === 'rtsp') return { ...source, password: secret }
  return source.kind === 'srt' ? { ...source, passphrase: secret } : source
}

function sameDoor(one: MediaSource, other: MediaSource): boolean {
  if (one.kind === 'rtsp' && other.kind === 'rtsp')
    return originOf(one.url) === originOf(other.url) && one.username === other.username
  return one.kind === 'srt' && other.kind === 'srt' && originOf(one.url) === originOf(other.url)
}

/** Protocol too: `rtsps` must not become `rtsp`, which everybody on the way can read. */
function originOf(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}

function withSources(
  config: NodeConfig,
  change: (broadcast: Broadcast, at: number) => MediaSource,
): NodeConfig {
  return {
    ...config,
    broadcasts: config.broadcasts.map((broadcast, at) => ({ ...broadcast, source: change(broadcast, at) })),
  }
}
