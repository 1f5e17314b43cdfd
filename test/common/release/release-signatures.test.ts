import test from 'ava'
import { nextReleaseKeys, signText, trustedRelease } from '../../../common/release/release-signatures.ts'
import type { ReleaseKeys } from '../../../common/wire/release.ts'
import { newSigner, type Signer, signedKeys, signedRelease } from '../../support/release-signer.ts'

const [alice, bob, carol, mallory] = [newSigner(), newSigner(), newSigner(), newSigner()] as const
const keysOf = (...signers: readonly Signer[]): ReleaseKeys => ({
  serial: 1,
  keys: signers.map(({ key }) => key),
})
const FILES = { arm64: Buffer.from('a program') }
const UNTRUSTED = { code: 'release_untrusted' }

test('a release counts that one of the keys signed, to the byte', (t) => {
  const trusted = keysOf(alice, bob)
  t.is(trustedRelease(signedRelease('1.2.3', FILES, [bob]), trusted).version, '1.2.3')
  t.is(trustedRelease(signedRelease('1.2.3', FILES, [mallory, alice]), trusted).version, '1.2.3')
  t.throws(() => trustedRelease(signedRelease('1.2.3', FILES, [mallory]), trusted), UNTRUSTED)
  const signed = signedRelease('1.2.3', FILES, [alice])
  const changed = { ...signed, release: signed.release.replace('1.2.3', '1.2.4') }
  t.throws(() => trustedRelease(changed, trusted), UNTRUSTED)
  t.throws(() => trustedRelease({ ...signed, release: `${signed.release} ` }, trusted), UNTRUSTED)
  const named = signed.signatures.map(({ signature }) => ({ key_id: bob.keyId, signature }))
  t.throws(() => trustedRelease({ ...signed, signatures: named }, trusted), UNTRUSTED)
})

test('a signature of keys is none of a release', (t) => {
  const { release } = signedRelease('1.2.3', FILES, [])
  const signatures = [signText('keys', release, alice.privateKey)]
  t.throws(() => trustedRelease({ release, signatures }, keysOf(alice, bob)), UNTRUSTED)
})

test('signed nonsense is refused, and said so', (t) => {
  for (const release of ['', '{', '{}', '{"version":"latest","made_at":0,"files":[]}']) {
    const signatures = [signText('release', release, alice.privateKey)]
    t.throws(() => trustedRelease({ release, signatures }, keysOf(alice, bob)), { code: 'release_invalid' })
  }
})

test('two of the keys before sign the next ones, one after the other', (t) => {
  const first = nextReleaseKeys(null, signedKeys(1, [alice, bob, carol], [alice, carol]))
  t.deepEqual(first, { serial: 1, keys: [alice.key, bob.key, carol.key] })
  const second = nextReleaseKeys(first, signedKeys(2, [bob, mallory], [bob, carol]))
  t.deepEqual(second, { serial: 2, keys: [bob.key, mallory.key] })
  const cases: readonly [string, ReleaseKeys | null, number, readonly Signer[], readonly Signer[], string][] =
    [
      ['one signature', first, 2, [mallory, bob], [alice], 'release_untrusted'],
      ['one signature twice', first, 2, [mallory, bob], [alice, alice], 'release_untrusted'],
      ['one of the new ones', first, 2, [mallory, bob], [alice, mallory], 'release_untrusted'],
      ['a key that was taken out', second, 3, [alice, carol], [alice, bob], 'release_untrusted'],
      ['a serial left out', first, 3, [alice, bob], [alice, bob], 'release_invalid'],
      ['the same serial again', first, 1, [alice, bob], [alice, bob], 'release_invalid'],
      ['first keys by others', null, 1, [alice, bob], [carol, mallory], 'release_untrusted'],
      ['first keys by one', null, 1, [alice, bob], [alice], 'release_untrusted'],
      ['one key alone', first, 2, [alice], [alice, bob], 'release_invalid'],
    ]
  for (const [name, present, serial, owners, signers, code] of cases)
    t.throws(() => nextReleaseKeys(present, signedKeys(serial, owners, signers)), { code }, name)
})

test('a key that is written in two ways signs once', (t) => {
  // The last of 43 characters has two bits that mean nothing.
  const other = alice.key.slice(0, -1) + String.fromCharCode(alice.key.charCodeAt(42) + 1)
  const keys = { serial: 1, keys: [alice.key, other] }
  t.is(Buffer.from(other, 'base64url').compare(Buffer.from(alice.key, 'base64url')), 0)
  t.throws(() => nextReleaseKeys(keys, signedKeys(2, [alice, bob], [alice])), UNTRUSTED)
})
