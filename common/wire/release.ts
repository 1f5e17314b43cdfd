import { z } from 'zod'

/*
 * Releases of the agent: what is in one, who signed it, whom devices believe. A signature is over the text that is sent, to
 * the byte, so nobody has to write JSON twice in the same way.
 */

/** Machines that agents are released for, as Debian names them. */
export const RELEASE_ARCHITECTURES = ['amd64', 'arm64'] as const
export const releaseArchitectureSchema = z.enum(RELEASE_ARCHITECTURES)
export type ReleaseArchitecture = z.infer<typeof releaseArchitectureSchema>

/** `1.2.3`, or `1.2.3-rc.1` before it (semver.org, without build metadata). */
export const releaseVersionSchema = z
  .string()
  .max(40)
  .regex(
    /^(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){2}(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$/,
    'a version is X.Y.Z or X.Y.Z-rc.1',
  )

/** Longest file of a release, bytes. */
export const MAX_RELEASE_BYTES = 100_000_000

export const releaseFileSchema = z.strictObject({
  architecture: releaseArchitectureSchema,
  bytes: z.int().min(1).max(MAX_RELEASE_BYTES),
  /** Lower-case hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type ReleaseFile = z.infer<typeof releaseFileSchema>

/** What is signed. */
export const releaseSchema = z.strictObject({
  version: releaseVersionSchema,
  /** Unix ms. */
  made_at: z.int().min(0),
  notes: z.string().max(2000).default(''),
  files: z
    .array(releaseFileSchema)
    .min(1)
    .max(RELEASE_ARCHITECTURES.length)
    .refine((files) => new Set(files.map(({ architecture }) => architecture)).size === files.length, {
      message: 'an architecture stands twice',
    }),
})
export type Release = z.output<typeof releaseSchema>

/** First 16 hex digits of the SHA-256 of the raw public key. */
export const releaseKeyIdSchema = z.string().regex(/^[0-9a-f]{16}$/)

/** Raw Ed25519 (RFC 8032), base64url. */
const publicKeySchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'a key is 32 bytes in base64url')

export const signatureSchema = z.strictObject({
  key_id: releaseKeyIdSchema,
  /** Ed25519, base64url. */
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/, 'a signature is 64 bytes in base64url'),
})
export type Signature = z.infer<typeof signatureSchema>

const signatures = z.array(signatureSchema).min(1).max(8)

/** `release`: the text of a `Release`. One signature by any of the keys is enough. */
export const signedReleaseSchema = z.strictObject({ release: z.string().max(8192), signatures })
export type SignedRelease = z.infer<typeof signedReleaseSchema>

/**
 * Whom devices believe. Two keys at least: two of them must sign the next keys, so that who steals one can't shut the others
 * out, and who loses one is not shut out.
 */
export const releaseKeysSchema = z.strictObject({
  /** Counts up by one. */
  serial: z.int().min(1).max(1_000_000),
  keys: z
    .array(publicKeySchema)
    .min(2)
    .max(8)
    .refine((keys) => new Set(keys).size === keys.length, { message: 'a key stands twice' }),
})
export type ReleaseKeys = z.infer<typeof releaseKeysSchema>

/** `keys`: the text of `ReleaseKeys`, signed by two of the keys before; the first one by two of its own. */
export const signedReleaseKeysSchema = z.strictObject({ keys: z.string().max(8192), signatures })
export type SignedReleaseKeys = z.infer<typeof signedReleaseKeysSchema>

/** Changes of keys that a hub keeps, and that one answer has. */
export const MAX_KEY_CHANGES = 100

/** What a hub has for a device. */
export const releaseOfferSchema = z.object({
  /** null: nothing for this device now. */
  release: signedReleaseSchema.nullable(),
  /** Changes of keys after those that the device knows, in order. */
  key_changes: z.array(signedReleaseKeysSchema).max(MAX_KEY_CHANGES),
})
export type ReleaseOffer = z.infer<typeof releaseOfferSchema>

/** How an update of a device goes. */
export const updateStateSchema = z.object({
  /**
   * `idle`: nothing to do. `downloading`. `ready`: waits until nothing is on air. `trial`: the new release runs, and has a
   * minute to prove itself. `done`: it stays. `rolled_back`: the release before runs again. `failed`: it could not be had;
   * tried again. `refused`: it is not to be believed, or not for this device.
   */
  state: z.enum(['idle', 'downloading', 'ready', 'trial', 'done', 'rolled_back', 'failed', 'refused']),
  /** The release that it is about; null while idle. */
  version: releaseVersionSchema.nullable(),
  reason: z.string().max(500).nullable(),
  /** Of the download, 0 to 100. */
  percent: z.number().min(0).max(100).nullable(),
  /** Unix ms by the device's clock. */
  at: z.number().int().min(0),
})
export type UpdateState = z.infer<typeof updateStateSchema>
