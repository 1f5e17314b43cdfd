import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { nodeIdSchema } from '../../common/wire/ids.ts'
import { releaseKeysSchema } from '../../common/wire/release.ts'

const anyIdentity = {
  hub_url: z.url(),
  node_id: nodeIdSchema,
  /** PEM of the hub's own CAs. */
  authorities: z.array(z.string()),
  /** The node's addresses in the overlay, as the hub gave them. */
  overlay_addresses: z.array(z.string()).default([]),
}

/** A node that proves itself by a certificate. */
const certifiedSchema = z.strictObject({
  ...anyIdentity,
  /** PEM, PKCS#8. */
  key: z.string(),
  /** PEM. */
  certificate: z.string(),
  /** Start and end of the certificate's life by the hub's clock, Unix ms. */
  issued_at: z.number().int(),
  not_after: z.number().int(),
  /** Who may sign releases for this device, pinned when it enrolled; null where the hub had no keys then. */
  release_keys: releaseKeysSchema.nullable().default(null),
})
export type CertifiedIdentity = z.infer<typeof certifiedSchema>

/** A node of a hub on the same machine, to whom TLS shows nothing: it proves itself by a bearer token. */
const bearingSchema = z
  .strictObject({ ...anyIdentity, token: z.string() })
  .refine(({ hub_url }) => isLoopbackUrl(new URL(hub_url)), { message: 'a token goes to this machine only' })

export type BearingIdentity = z.infer<typeof bearingSchema>

/** This machine's identity for a hub, with what proves it. Keep it secret. */
const nodeIdentitySchema = z.union([certifiedSchema, bearingSchema])
export type NodeIdentity = z.infer<typeof nodeIdentitySchema>

/** Whether what is sent there never leaves this machine (RFC 6761 section 6.3). */
function isLoopbackUrl({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}

/** @returns undefined where the file does not exist. @throws CodedError `identity_unreadable` */
export async function loadIdentity(file: string): Promise<NodeIdentity | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    return nodeIdentitySchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CodedError('identity_unreadable', `${file} holds no identity of a node`, {
      cause,
      details: ['move it away and enrol anew'],
    })
  }
}

/** Writes whole or not at all, for its owner alone: a power cut leaves the previous identity, which is still valid. */
export async function saveIdentity(file: string, identity: NodeIdentity): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomBytes(4).toString('hex')}`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(identity)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } finally {
    await rm(temporary, { force: true })
  }
}
