import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enrol } from '../../agent/node/enrolment.ts'
import type { CertifiedIdentity } from '../../agent/node/node-identity.ts'
import { makeTarball } from '../../tools/package/tarball.ts'
import { enrolmentOf } from './field-agent.ts'
import { startHub, type TestHub } from './hub.ts'
import { newSigner, type Signer, signedKeys, signedRelease } from './release-signer.ts'
import { trustHub } from './trust-hub.ts'

const PART = 1024 * 1024

/** What packaging makes, for a program of a few lines. `node` says which release runs and whether on trial. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
export const TINY_NODE = '#!/bin/sh\necho "$(basename "$(dirname "$0")") ${LANECAST_TRIAL:-no}"\n'

/** Keys for releases at a hub, and who signs with them. */
export interface Releases {
  /** Two keys that the hub has. */
  readonly signers: readonly [Signer, Signer]
  /** Signs a release of a tiny program, uploads it and rolls it out to everybody. */
  publish(version: string, options?: PublishOptions): Promise<void>
  rollOut(version: string, rollout: object): Promise<void>
}

/** A hub with TLS, keys for releases, and a folder of files. */
export interface ReleaseHub extends Releases, AsyncDisposable {
  readonly hub: TestHub
  /** Where the hub keeps files of releases. */
  readonly files: string
  /** A new device, which has pinned the hub's keys of now. */
  enrol(nodeId: string): Promise<CertifiedIdentity>
}

export interface PublishOptions {
  readonly signers?: readonly Signer[]
  /** Bytes that do not compress, beside the program. */
  readonly ballast?: number
  readonly architecture?: 'amd64' | 'arm64'
  readonly file?: Buffer
}

export async function startReleaseHub(): Promise<ReleaseHub> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-release-hub-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const hub = stack.use(await startHub([], { workers: 1, logLevel: 'warn', dataDir, args: ['--tls', 'on'] }))
  await trustHub(hub)
  const releases = await openReleases(hub)
  const owned = stack.move()
  return {
    hub,
    ...releases,
    files: `${dataDir}.releases`,
    async enrol(nodeId) {
      const { hubUrl, token } = await enrolmentOf(hub, nodeId)
      const authorities = [await trustHub(hub)]
      // The pin of the CA is for machines that do not know it.
      const [secret = ''] = token.split('.')
      return enrol({ hubUrl, token: secret, authorities }, AbortSignal.timeout(10_000))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Gives a hub that has none keys for releases. @param hub one with a folder for its state, and TLS */
export async function openReleases(hub: TestHub): Promise<Releases> {
  const must = async (method: string, path: string, body?: unknown) => {
    const answer = await hub.api(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
  }
  const signers = [newSigner(), newSigner()] as const
  await must('PUT', '/v1/release-keys', signedKeys(1, signers, signers))
  return {
    signers,
    async publish(version, { signers: by = [signers[0]], ballast = 0, architecture = 'amd64', file } = {}) {
      const bytes = file ?? (await tinyRelease(version, ballast))
      await must('POST', '/v1/releases', signedRelease(version, { [architecture]: bytes }, by))
      for (let offset = 0; offset < bytes.length; offset += PART) {
        const url = new URL(`/v1/releases/${version}/files/${architecture}?offset=${offset}`, hub.url)
        const response = await fetch(url, {
          method: 'PUT',
          headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/octet-stream' },
          body: new Uint8Array(bytes.subarray(offset, offset + PART)),
        })
        if (!response.ok) throw new Error(`${url.pathname}: ${await response.text()}`)
      }
      await must('PUT', `/v1/releases/${version}/rollout`, { percent: 100 })
    },
    rollOut: (version, rollout) => must('PUT', `/v1/releases/${version}/rollout`, rollout),
  }
}

/** The tarball of a tiny program. */
export async function tinyRelease(version: string, ballast = 0): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-tiny-'))
  try {
    const program = join(folder, 'lanecast-agent')
    await mkdir(join(program, 'agent'), { recursive: true })
    await writeFile(join(program, 'agent/main.ts'), `// ${version}\n`)
    await writeFile(join(program, 'node'), TINY_NODE)
    await chmod(join(program, 'node'), 0o755)
    if (ballast > 0) await writeFile(join(program, 'ballast'), randomBytes(ballast))
    const file = join(folder, 'release.tar.zst')
    await makeTarball({ version, architecture: 'amd64', madeAt: 1_700_000_000 }, { program, file, level: 1 })
    return await readFile(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
