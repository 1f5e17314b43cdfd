import { createHash, generateKeyPairSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { publicKeyText, signText } from '../../common/release/release-signatures.ts'
import {
  type Release,
  type ReleaseArchitecture,
  type ReleaseFile,
  releaseKeysSchema,
  releaseSchema,
  type SignedRelease,
  type SignedReleaseKeys,
} from '../../common/wire/release.ts'

/** As `npm run package:agent` names its tarballs. */
const TARBALL = /^lanecast-agent_(.+)_(amd64|arm64)\.tar\.zst$/

/** Makes a private key, which whoever signs keeps to himself. @returns the public one @throws where the file exists */
export async function newKey(file: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(file, pem, { mode: 0o600, flag: 'wx' })
  return publicKeyText(privateKey)
}

/** @param keys public, base64url @param signers files of private keys, PEM */
export async function signKeys(
  serial: number,
  keys: readonly string[],
  signers: readonly string[],
): Promise<SignedReleaseKeys> {
  const text = JSON.stringify(releaseKeysSchema.parse({ serial, keys }))
  return { keys: text, signatures: await signaturesOf('keys', text, signers) }
}

/** @param tarballs of one version, at most one for each machine @throws Error where they are not */
export async function signRelease(
  tarballs: readonly string[],
  notes: string,
  signers: readonly string[],
): Promise<SignedRelease> {
  const named = tarballs.map((file) => ({ file, name: TARBALL.exec(basename(file)) }))
  const versions = new Set(named.map(({ name }) => name?.[1]))
  const [version] = versions
  if (versions.size !== 1 || version === undefined)
    throw new Error('give the tarballs of one version, as npm run package:agent named them')
  const files = await Promise.all(
    named.map(({ file, name }) => fileOf(file, name?.[2] as ReleaseArchitecture)),
  )
  const release: Release = releaseSchema.parse({ version, made_at: Date.now(), notes, files })
  const text = JSON.stringify(release)
  return { release: text, signatures: await signaturesOf('release', text, signers) }
}

async function fileOf(file: string, architecture: ReleaseArchitecture): Promise<ReleaseFile> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return { architecture, bytes: (await stat(file)).size, sha256: hash.digest('hex') }
}

async function signaturesOf(domain: 'keys' | 'release', text: string, signers: readonly string[]) {
  const pems = await Promise.all(signers.map((file) => readFile(file, 'utf8')))
  return pems.map((pem) => signText(domain, text, pem))
}
