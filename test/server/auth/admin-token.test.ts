import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { adminTokenNotice } from '../../../server/auth/admin-token.ts'
import { ephemeralKeyring, keyFileBeside, openKeyring } from '../../../server/store/keyring.ts'
import { openMemoryStore, openSqliteStore } from '../../../server/store/sqlite-store.ts'
import { authRig } from './auth-rig.ts'
import { codeOf } from './code-of.ts'

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'lanecast-admin-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('the first start makes an admin token, in a file that its owner alone can read', async (t) => {
  await using data = await folder()
  const dataFolder = join(data.path, 'data')
  await using rig = await authRig({ dataFolder })
  const first = rig.auth.firstAdminToken!
  const file = join(dataFolder, 'admin-token')
  t.is(first.file, file)
  t.is((await readFile(file, 'utf8')).trim(), first.token)
  t.is((await stat(file)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(dataFolder), ['admin-token'])
  t.like(await rig.auth.authenticator.authenticateToken(first.token), {
    id: 'admin',
    role: 'admin',
    tenant_id: null,
    expires_at: null,
  })
  t.true(adminTokenNotice(first).includes(first.token) && adminTokenNotice(first).includes(file))
  const written = JSON.stringify([
    await rig.store.list('token', null),
    await rig.store.auditPage(null, { limit: 9 }),
  ])
  t.false(written.includes(first.token.slice(-43)))

  await using again = await authRig({ dataFolder, store: rig.store, keyring: rig.keyring })
  t.is(again.auth.firstAdminToken, undefined)
  t.is(await codeOf(again.auth.authenticator.authenticateToken(first.token)), 'ok')
})

test('with AMNESIA it is in memory only', async (t) => {
  await using rig = await authRig({ dataFolder: null })
  const { token, file } = rig.auth.firstAdminToken!
  t.is(file, null)
  t.is((await rig.auth.authenticator.authenticateToken(token)).role, 'admin')
})

test('a hub that died before it noted the token takes the one in the file', async (t) => {
  await using data = await folder()
  await using before = await authRig({ dataFolder: data.path })
  const { token } = before.auth.firstAdminToken!
  await using after = await authRig({ dataFolder: data.path })
  t.is(after.auth.firstAdminToken?.token, token)
  t.is(await codeOf(after.auth.authenticator.authenticateToken(token)), 'ok')
})

test('of two hubs that start on one database at once, one makes it', async (t) => {
  await using data = await folder()
  await using store = await openMemoryStore()
  const keyring = ephemeralKeyring()
  const rigs = await Promise.all(
    ['a', 'b'].map((name) => authRig({ store, keyring, dataFolder: join(data.path, name), refreshMs: 1 })),
  )
  const made = rigs.filter(({ auth }) => auth.firstAdminToken !== undefined)
  t.is(made.length, 1)
  t.is(
    (await readdir(data.path, { recursive: true })).filter((path) => path.endsWith('admin-token')).length,
    1,
  )
  for (const rig of rigs) {
    t.is(await codeOf(rig.auth.authenticator.authenticateToken(made[0]!.auth.firstAdminToken!.token)), 'ok')
    await rig[Symbol.asyncDispose]()
  }
})

test('a foreign file in its place is left alone and reported', async (t) => {
  await using data = await folder()
  await writeFile(join(data.path, 'admin-token'), 'my shopping list')
  t.is(await codeOf(authRig({ dataFolder: data.path })), '500 admin_token_unwritable')
  t.is(await readFile(join(data.path, 'admin-token'), 'utf8'), 'my shopping list')
  await mkdir(join(data.path, 'folder', 'admin-token'), { recursive: true })
  t.is(await codeOf(authRig({ dataFolder: join(data.path, 'folder') })), '500 admin_token_unwritable')
})

test('who lost the admin token and can start the hub gets a new one', async (t) => {
  await using data = await folder()
  const dataDir = join(data.path, 'data')
  const start = async (...flags: string[]) => {
    const main = resolve(import.meta.dirname, '../../../server/main.ts')
    const run = await promisify(execFile)(process.execPath, [main, '--data-dir', dataDir, ...flags])
    return /\blc_\S+/.exec(run.stdout)?.[0] ?? ''
  }
  const lost = await start('--new-admin-token')
  const second = await start('--new-admin-token')
  t.not(second, lost)
  const third = await start('--new-admin-token', '--revoke-admin-tokens')
  const file = join(dataDir, 'admin-token')
  t.is((await readFile(file, 'utf8')).trim(), third)
  t.is((await stat(file)).mode & 0o777, 0o600)

  const keyring = openKeyring(keyFileBeside(dataDir))
  await using store = await openSqliteStore(dataDir, { auditKey: keyring.auditKey })
  await using rig = await authRig({ dataFolder: null, store, keyring })
  const works = (token: string) => codeOf(rig.auth.authenticator.authenticateToken(token))
  t.deepEqual(await Promise.all([lost, second, third].map(works)), [
    '401 token_revoked',
    '401 token_revoked',
    'ok',
  ])
  const done = (await store.auditPage(null, { limit: 100 })).map(({ action, actor }) => `${action} ${actor}`)
  t.is(done.filter((line) => line === 'token.issue hub').length, 3)
  t.is(done.filter((line) => line === 'token.revoke hub').length, 2)
})
