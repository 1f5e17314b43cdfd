import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { newSigner, signedKeys, signedRelease } from '../../support/release-signer.ts'
import { apiRig } from '../api/api-rig.ts'

const [alice, bob, mallory] = [newSigner(), newSigner(), newSigner()] as const
const FILE = randomBytes(300_000)
const PART = 128 * 1024
const OCTETS = { 'content-type': 'application/octet-stream' }

/** A hub with keys, and a folder of files. */
async function hubWithReleases(t: ExecutionContext, folder: string | null = '') {
  const place = folder === '' ? await mkdtemp(join(tmpdir(), 'lanecast-releases-')) : folder
  if (place !== null) t.teardown(() => rm(place, { recursive: true, force: true }))
  const rig = await apiRig(place === null ? {} : { releaseFolder: place })
  t.teardown(() => rig[Symbol.asyncDispose]())
  const upload = async (version: string, architecture: string, bytes: Buffer, from = 0) => {
    for (let offset = from; ; offset += PART) {
      const path = `/v1/releases/${version}/files/${architecture}?offset=${offset}`
      const response = await fetch(rig.url + path, {
        method: 'PUT',
        headers: { authorization: `Bearer ${rig.adminToken}`, ...OCTETS },
        body: new Uint8Array(bytes.subarray(offset, offset + PART)),
      })
      const json = await response.json()
      if (!response.ok || offset + PART >= bytes.length) return { status: response.status, json }
    }
  }
  return { rig, book: rig.releases, files: rig.releaseFiles, upload, folder: place }
}

const KEYS = signedKeys(1, [alice, bob], [alice, bob])
const device = (nodeId: string, running = '1.0.0', architecture: 'amd64' | 'arm64' = 'arm64') => ({
  tenantId: 'acme',
  nodeId,
  running,
  architecture,
  keysSerial: 1,
})
const versionIn = (offer: { release: { release: string } | null }) =>
  offer.release === null ? null : (JSON.parse(offer.release.release) as { version: string }).version

test('a release is signed, uploaded in parts, rolled out, halted and deleted', async (t) => {
  const { rig, book, upload, folder } = await hubWithReleases(t)
  const signed = signedRelease('1.1.0', { arm64: FILE }, [alice])
  t.is((await rig.ask('POST', '/v1/releases', { body: signed })).json.error.code, 'release_untrusted')
  t.is((await rig.ask('PUT', '/v1/release-keys', { body: KEYS })).status, 200)
  t.deepEqual((await rig.ask('GET', '/v1/release-keys')).json.keys, JSON.parse(KEYS.keys))
  const foreign = signedRelease('1.1.0', { arm64: FILE }, [mallory])
  t.is((await rig.ask('POST', '/v1/releases', { body: foreign })).json.error.code, 'release_untrusted')

  const made = await rig.ask('POST', '/v1/releases', { body: signed })
  t.is(made.status, 201, made.text)
  t.like(made.json, { release: { version: '1.1.0', files: [{ present: 0 }] }, rollout: { percent: 0 } })
  t.is((await rig.ask('POST', '/v1/releases', { body: signed })).status, 201)
  const other = signedRelease('1.1.0', { arm64: Buffer.from('x') }, [alice])
  t.is((await rig.ask('POST', '/v1/releases', { body: other })).json.error.code, 'release_exists')

  // Nobody gets what is not there.
  const rollout = (body: object) => rig.ask('PUT', '/v1/releases/1.1.0/rollout', { body })
  const early = await rollout({ percent: 100 })
  t.is(early.json.error.code, 'release_incomplete')
  t.deepEqual(early.json.error.details, ['arm64'])
  t.is((await upload('1.1.0', 'arm64', FILE.subarray(0, PART))).json.present, PART)
  t.is((await upload('1.1.0', 'arm64', FILE, 2 * PART)).json.error.code, 'release_offset')
  t.is((await upload('1.1.0', 'amd64', FILE)).json.error.code, 'release_not_found')
  t.is((await upload('1.1.0', 'arm64', FILE, PART)).json.present, FILE.length)
  t.is(versionIn(await book.offerFor(device('n1'))), null)

  t.is((await rollout({ percent: 100 })).status, 200)
  t.is(versionIn(await book.offerFor(device('n1'))), '1.1.0')
  t.is(versionIn(await book.offerFor(device('n1', '1.1.0'))), null, 'it runs it')
  t.is(versionIn(await book.offerFor(device('n1', '1.2.0'))), null, 'nobody goes back by himself')
  t.is(versionIn(await book.offerFor(device('n1', '1.0.0', 'amd64'))), null, 'another machine')
  t.is(versionIn(await book.offerFor({ ...device('n1', '1.2.0'), ordered: '1.1.0' })), '1.1.0')
  t.is((await rollout({ percent: 100, tenants: ['rival'] })).status, 200)
  t.is(versionIn(await book.offerFor(device('n1'))), null, 'another tenant')
  t.is((await rollout({ percent: 100, halted: true })).status, 200)
  t.is(versionIn(await book.offerFor(device('n1'))), null)
  t.is(versionIn(await book.offerFor({ ...device('n1'), ordered: '1.1.0' })), null, 'halted is halted')

  const [operator, etag] = [await rig.tokenFor('acme', 'operator'), { 'if-match': '"1"' }]
  t.is((await rig.ask('GET', '/v1/releases', { token: operator })).status, 403)
  const late = await rig.ask('PUT', '/v1/releases/1.1.0/rollout', { body: { percent: 1 }, headers: etag })
  t.is(late.status, 412)
  t.is((await rig.ask('DELETE', '/v1/releases/1.1.0')).status, 204)
  t.is((await rig.ask('GET', '/v1/releases/1.1.0')).status, 404)
  t.deepEqual(await readdir(folder!), [])
  const trail = await rig.store.auditPage('_hub', { limit: 100 })
  const own = trail.map(({ action }) => action).filter((action) => action.startsWith('release.'))
  const [halts, first] = [Array(3).fill('release.rollout'), ['release.keys', 'release.create']]
  t.deepEqual(own, [...first, ...halts, 'release.delete'])
  t.deepEqual(rig.failures, [])
})

test('a file that was changed on the way is thrown away, and can be uploaded anew', async (t) => {
  const { rig, files, upload } = await hubWithReleases(t)
  await rig.ask('PUT', '/v1/release-keys', { body: KEYS })
  await rig.ask('POST', '/v1/releases', { body: signedRelease('2.0.0', { arm64: FILE }, [bob]) })
  const changed = Buffer.from(FILE)
  changed[PART + 7]! ^= 1
  t.is((await upload('2.0.0', 'arm64', changed)).json.error.code, 'release_damaged')
  t.is((await upload('2.0.0', 'arm64', Buffer.concat([FILE, FILE]))).json.error.code, 'release_damaged')
  const { release } = await (await rig.ask('GET', '/v1/releases/2.0.0')).json
  const [{ present }] = release.files
  t.is((await upload('2.0.0', 'arm64', FILE, present)).status, 200)
  const file = { architecture: 'arm64', bytes: FILE.length, sha256: sha256(FILE) } as const
  const parts = await Promise.all([0, 1, 2].map((at) => files.read('2.0.0', file, at * PART, PART)))
  t.is(Buffer.concat(parts).compare(FILE), 0)
  t.is((await files.read('2.0.0', file, FILE.length + 5, 10)).length, 0)
})

test('keys change by two signatures, and a device that missed changes gets all of them', async (t) => {
  const { rig, book } = await hubWithReleases(t)
  await rig.ask('PUT', '/v1/release-keys', { body: KEYS })
  const stolen = signedKeys(2, [mallory, alice], [alice])
  t.is((await rig.ask('PUT', '/v1/release-keys', { body: stolen })).status, 403)
  const changes = [
    signedKeys(2, [alice, bob, mallory], [alice, bob]),
    signedKeys(3, [bob, mallory], [alice, bob]),
  ]
  for (const body of changes) t.is((await rig.ask('PUT', '/v1/release-keys', { body })).status, 200)
  t.deepEqual((await book.offerFor(device('n1'))).key_changes, changes)
  t.deepEqual((await book.offerFor({ ...device('n1'), keysSerial: 3 })).key_changes, [])
  t.deepEqual((await book.offerFor({ ...device('n1'), keysSerial: 0 })).key_changes, [KEYS, ...changes])
})

test('a hub without a disk takes no files, and devices prove themselves by a certificate', async (t) => {
  const { rig, upload } = await hubWithReleases(t, null)
  await rig.ask('PUT', '/v1/release-keys', { body: KEYS })
  await rig.ask('POST', '/v1/releases', { body: signedRelease('1.1.0', { arm64: FILE }, [alice]) })
  t.is((await upload('1.1.0', 'arm64', FILE)).json.error.code, 'releases_unavailable')
  const token = await rig.tokenFor('acme', 'node')
  const offer = await rig.ask('GET', '/v1/node/release?architecture=arm64&running=1.0.0', { token })
  t.is(offer.json.error.code, 'denied')
})

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
