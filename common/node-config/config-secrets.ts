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
    if (secretOf(source) !== SECRET_MASK) return source
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

/** Whether the document has a secret that is masked. */
export function hasMaskedSecrets(config: NodeConfig): boolean {
  return config.broadcasts.some(({ source }) => secretOf(source) === SECRET_MASK)
}

const keyOf = ({ stream_id, input }: Broadcast) => `${stream_id} ${input ?? ''}`

function secretOf(source: MediaSource): string | undefined {
  if (source.kind === 'rtsp') return source.password
  return source.kind === 'srt' ? source.passphrase : undefined
}

function withSecret(source: MediaSource, secret: string): MediaSource {
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
