import test from 'ava'
import { MAX_PICTURE_BYTES } from '../../../server/api/request-body.ts'
import { coloursOf, exif, fourColours, JPEG, PNG, withSegment } from '../slates/picture-files.ts'
import { apiRig } from './api-rig.ts'

const SIZE = { width: 64, height: 32 }

test("a tenant's picture is uploaded, read and deleted, by those who may, with a record of each", async (t) => {
  await using rig = await apiRig()
  const [operator, viewer, other] = await Promise.all([
    rig.tokenFor('acme', 'operator'),
    rig.tokenFor('acme', 'viewer'),
    rig.tokenFor('umbrella', 'operator'),
  ])
  const ask = async (
    method: string,
    token: string,
    body?: Uint8Array,
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`${rig.url}/v1/slate`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'image/png' }),
        ...headers,
      },
      ...(body && { body: new Uint8Array(body) }),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    const json = response.headers.get('content-type')?.startsWith('application/json')
      ? JSON.parse(bytes.toString())
      : null
    return {
      status: response.status,
      etag: response.headers.get('etag'),
      type: response.headers.get('content-type'),
      bytes,
      json,
    }
  }
  const png = await fourColours('', PNG)

  t.is((await ask('GET', operator)).json.error.code, 'slate_not_found')
  t.is((await ask('PUT', viewer, png)).status, 403)
  const made = await ask('PUT', operator, png)
  t.is(made.status, 200)
  t.like(made.json, { tenant_id: 'acme', version: 1, ...SIZE, changed_by: 'user:operator-of-acme' })
  t.is(made.etag, '"1"')
  const read = await ask('GET', operator)
  t.is(read.type, 'image/jpeg')
  t.is(read.etag, '"1"')
  t.is(read.bytes.length, made.json.bytes)
  t.is(await coloursOf(read.bytes, SIZE), 'red lime blue white')

  // Another tenant sees nothing of it, and has its own.
  t.is((await ask('GET', other)).status, 404)
  t.is((await ask('DELETE', other)).status, 404)
  const turned = withSegment(await fourColours(',hflip', JPEG), 0xe1, exif(2))
  t.is((await ask('PUT', other, turned, { 'content-type': 'image/jpeg' })).status, 200)
  t.is((await ask('GET', operator)).bytes.compare(read.bytes), 0)
  const foreign = await fetch(`${rig.url}/v1/slate?tenant_id=acme`, {
    headers: { authorization: `Bearer ${other}` },
  })
  t.is(foreign.status, 404)

  // What is wrong changes nothing.
  t.is((await ask('PUT', operator, Buffer.from('nothing'))).json.error.code, 'slate_invalid')
  t.is((await ask('PUT', operator, png, { 'content-type': 'image/gif' })).status, 415)
  t.is((await ask('PUT', operator, Buffer.alloc(MAX_PICTURE_BYTES + 1))).status, 413)
  t.is((await ask('PUT', operator, png, { 'if-match': '"7"' })).status, 412)
  t.is((await ask('GET', operator)).etag, '"1"')

  t.is((await ask('PUT', operator, png, { 'if-match': '"1"' })).etag, '"2"')
  t.is((await ask('DELETE', operator, undefined, { 'if-match': '"1"' })).status, 412)
  t.is((await ask('DELETE', operator)).status, 204)
  t.is((await ask('GET', operator)).status, 404)
  const trail = await rig.store.auditPage('acme', { limit: 1000 })
  t.deepEqual(
    trail.filter(({ object }) => object === 'slate').map(({ action, actor }) => `${actor} ${action}`),
    ['slate.change', 'slate.change', 'slate.delete'].map((action) => `user:operator-of-acme ${action}`),
  )
})

test('a tenant that is made again has nothing of the picture of the one before', async (t) => {
  await using rig = await apiRig()
  const admin = await rig.auth.tokens.issueJwt(
    { subject: 'root', role: 'admin', tenant_id: null, by: 'hub' },
    3600,
  )
  const ask = (method: string, path: string, type?: string, body?: Uint8Array | string) =>
    fetch(rig.url + path, {
      method,
      headers: { authorization: `Bearer ${admin.token}`, ...(type && { 'content-type': type }) },
      ...(body && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
    })
  const make = () => ask('PUT', '/v1/tenants/acme', 'application/json', '{"display_name":"Acme"}')
  t.true((await make()).ok)
  t.is((await ask('PUT', '/v1/slate?tenant_id=acme', 'image/png', await fourColours('', PNG))).status, 200)
  t.is((await ask('DELETE', '/v1/tenants/acme')).status, 204)
  t.true((await make()).ok)
  t.is((await ask('GET', '/v1/slate?tenant_id=acme')).status, 404)
})
