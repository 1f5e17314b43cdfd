import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import {
  ephemeralKeyring,
  existingKeyring,
  keyFileBeside,
  keyringFromText,
  openKeyring,
  rotateKeys,
} from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'

const root = mkdtempSync(join(tmpdir(), 'lanecast-keys-'))
let files = 0
const newFile = () => join(root, `keys-${++files}`)
test.after.always(() => rmSync(root, { recursive: true, force: true }))

const place = { kind: 'destination', tenant_id: 't1', id: 'd1', field: 'passphrase' }

test('a secret opens where it was sealed and nowhere else', (t) => {
  const sealer = new Sealer(ephemeralKeyring())
  for (const secret of ['', 'sesame', 'ü\0\ud83d\ude00', 'x'.repeat(100_000)])
    t.is(sealer.open(sealer.seal(secret, place), place), secret)
  const sealed = sealer.seal('sesame', place)
  t.notRegex(sealed, /sesame/)
  t.not(sealed, sealer.seal('sesame', place), 'each sealing has a nonce of its own')
  for (const other of [
    { kind: 'token' },
    { tenant_id: 't2' },
    { id: 'd2' },
    { field: 'password' },
    { field: '' },
  ])
    t.throws(() => sealer.open(sealed, { ...place, ...other }), {
      instanceOf: CodedError,
      code: 'sealed_value_invalid',
    })
  t.throws(
    () => sealer.open(sealed, { kind: 'destinationt1', tenant_id: '', id: 'd1', field: 'passphrase' }),
    {
      code: 'sealed_value_invalid',
    },
  )
})

test('what was changed does not open, and the error shows no secret', (t) => {
  const sealer = new Sealer(ephemeralKeyring())
  const sealed = sealer.seal('sesame', place)
  const [head, body] = [
    sealed.slice(0, sealed.lastIndexOf(':') + 1),
    sealed.slice(sealed.lastIndexOf(':') + 1),
  ]
  const bytes = Buffer.from(body, 'base64url')
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes)
    changed[index]! ^= 1
    t.throws(() => sealer.open(head + changed.toString('base64url'), place), { code: 'sealed_value_invalid' })
  }
  for (const text of [
    '',
    'sesame',
    head,
    sealed.slice(0, -1),
    sealed.slice(0, head.length + 20),
    `${sealed}=`,
  ]) {
    const error = t.throws(() => sealer.open(text, place), { code: 'sealed_value_invalid' })
    t.regex(error!.message, /^passphrase of destination "t1\/d1"/)
    if (text !== 'sesame') t.notRegex(error!.message, /sesame/)
  }
})

test('after a rotation new secrets have the new key, and old ones still open', (t) => {
  const file = newFile()
  const before = new Sealer(openKeyring(file))
  const sealed = before.seal('sesame', place)
  t.false(before.isStale(sealed))
  const ring = rotateKeys(file)
  t.is(ring.ids.length, 2)
  const after = new Sealer(openKeyring(file))
  t.is(after.open(sealed, place), 'sesame')
  t.true(after.isStale(sealed))
  const fresh = after.seal('sesame', place)
  t.false(after.isStale(fresh))
  t.is(after.open(fresh, place), 'sesame')
  const error = t.throws(() => before.open(fresh, place), {
    instanceOf: CodedError,
    code: 'sealing_key_missing',
  })
  t.regex(error!.message, new RegExp(ring.currentId))
  t.deepEqual(ring.auditKey, openKeyring(file).auditKey)
  t.is(ring.ids.indexOf(ring.auditKey.id), 0, 'the trail keeps the key it began with')
})

test('the file is made once, for its owner only, and is the same when opened again', (t) => {
  const file = join(root, 'folder', 'made', 'keys')
  const ring = openKeyring(file)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.deepEqual(openKeyring(file).auditKey, ring.auditKey)
  rotateKeys(file)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.deepEqual(readdirSync(join(file, '..')), ['keys'], 'no copy is left')
  t.not(openKeyring(newFile()).currentId, ring.currentId)
  t.is(existingKeyring(newFile()), undefined)
  t.is(keyFileBeside('/var/lib/lanecast/'), '/var/lib/lanecast.keys')
})

test('a file that others can read, or that holds something else, is refused in words', (t) => {
  const file = newFile()
  openKeyring(file)
  const good = readFileSync(file, 'utf8')
  chmodSync(file, 0o640)
  const exposed = t.throws(() => openKeyring(file), { instanceOf: CodedError, code: 'bad_keys' })
  t.regex(exposed!.message, /mode 640.*chmod 600/)
  chmodSync(file, 0o600)
  const key = /"key": "([^"]+)"/.exec(good)![1]!
  for (const wrong of [
    '',
    'x',
    '{}',
    '{"about":"","keys":[]}',
    good.replace(key, 'c2hvcnQ='),
    good.replace(key, `${key.slice(0, -2)}!=`),
    good.slice(0, -10),
  ]) {
    writeFileSync(file, wrong)
    const error = t.throws(() => openKeyring(file), { instanceOf: CodedError, code: 'bad_keys' })
    t.false(error!.message.includes(key.slice(0, 20)))
    t.is(readFileSync(file, 'utf8'), wrong, 'and left as it is')
  }
  t.throws(() => openKeyring(join(file, 'below')), { code: 'bad_keys' })
})

test('keys may come from the environment', (t) => {
  const [old, now] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64')]
  const ring = keyringFromText('SEALING_KEYS', `old:${old}, now:${now}`)
  t.is(ring.currentId, 'now')
  const sealed = new Sealer(keyringFromText('SEALING_KEYS', `old:${old}`)).seal('sesame', place)
  t.is(new Sealer(ring).open(sealed, place), 'sesame')
  for (const text of ['', 'old', `old:${old.slice(4)}`, `old:${old},old:${now}`, `o/d:${old}`, `${old}`]) {
    const error = t.throws(() => keyringFromText('SEALING_KEYS', text), {
      instanceOf: CodedError,
      code: 'bad_keys',
    })
    t.regex(error!.message, /SEALING_KEYS/)
    t.false(error!.message.includes(old.slice(4)))
  }
})
