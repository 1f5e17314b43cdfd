/** P-256: browsers accept these certificates too; they do not accept Ed25519. */
export const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
export const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const

export type KeyPair = CryptoKeyPair

export async function generateKeys(): Promise<KeyPair> {
  return await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify'])
}
