import { createHash, generateKeyPairSync } from 'node:crypto'
import { publicKeyText, releaseKeyId, signText } from '../../common/release/release-signatures.ts'
import type {
  Release,
  ReleaseArchitecture,
  ReleaseKeys,
  SignedRelease,
  SignedReleaseKeys,
} from '../../common/wire/release.ts'

/** Somebody who signs releases. */
export interface Signer {
  /** base64url. */
  readonly key: string
  readonly keyId: string
  /** PEM. */
  readonly privateKey: string
}

export function newSigner(): Signer {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = publicKeyText(privateKey)
  return {
    key,
    keyId: releaseKeyId(key),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** A release of these files, signed by each. */
export function signedRelease(
  version: string,
  files: Partial<Record<ReleaseArchitecture, Buffer>>,
  signers: readonly Signer[],
): SignedRelease {
  const content: Release = {
    version,
    made_at: 1_700_000_000_000,
    notes: '',
    files: Object.entries(files).map(([architecture, bytes]) => ({
      architecture: architecture as ReleaseArchitecture,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })),
  }
  const release = JSON.stringify(content)
  return { release, signatures: signers.map(({ privateKey }) => signText('release', release, privateKey)) }
}

/** Keys of these owners, signed by others. */
export function signedKeys(
  serial: number,
  owners: readonly Signer[],
  signers: readonly Signer[],
): SignedReleaseKeys {
  const content: ReleaseKeys = { serial, keys: owners.map(({ key }) => key) }
  const keys = JSON.stringify(content)
  return { keys, signatures: signers.map(({ privateKey }) => signText('keys', keys, privateKey)) }
}
