import test from 'ava'
import { type TransportCapability, transportCapabilitySchema } from '../../common/wire/decision.ts'
import { chooseEncryption, type EncryptionRules } from '../../policy/encryption.ts'
import { mayActIn, mayPass, maySee } from '../../policy/tenancy.ts'
import { transportCandidates } from '../../policy/transport-choice.ts'
import { principal, RIST, request, SRT, WEBRTC } from './makers.ts'

const rules = (more: Partial<EncryptionRules> = {}): EncryptionRules => ({
  minAesBits: 128,
  forbidTransports: new Set(),
  ristAuthentication: 'srp',
  ...more,
})
const rtp = (keying: 'dtls' | 'sdes' | 'none'): TransportCapability => ({
  transport: 'rtp',
  keying,
  aes_bits: 128,
})
const with128 = <Capability extends TransportCapability>(capability: Capability): Capability => ({
  ...capability,
  aes_bits: 128,
})

test('what two ends agree on', (t) => {
  const simple = transportCapabilitySchema.parse({ transport: 'rist', profile: 'simple' })
  const noSrp = transportCapabilitySchema.parse({ transport: 'rist', authentication: 'passphrase' })
  const cases: [TransportCapability, TransportCapability, Partial<EncryptionRules>, RegExp | false][] = [
    [WEBRTC, WEBRTC, {}, /DTLS-SRTP, AEAD_AES_256_GCM/],
    [WEBRTC, with128(WEBRTC), {}, /DTLS-SRTP, AEAD_AES_128_GCM/],
    [WEBRTC, with128(WEBRTC), { minAesBits: 256 }, false],
    [RIST, RIST, {}, /main profile, AES-256 PSK, SRP/],
    [RIST, RIST, { minAesBits: 256 }, /AES-256/],
    [with128(RIST), RIST, { minAesBits: 256 }, false],
    [with128(RIST), RIST, {}, /AES-128/],
    [simple, RIST, {}, false],
    [noSrp, RIST, {}, false],
    [noSrp, RIST, { ristAuthentication: 'passphrase' }, /no SRP/],
    [SRT, SRT, {}, /SRT, AES-256 passphrase/],
    [SRT, SRT, { forbidTransports: new Set(['srt'] as const) }, false],
    [rtp('dtls'), rtp('dtls'), {}, /SRTP, AES-128, keys by DTLS/],
    [rtp('sdes'), rtp('sdes'), {}, /keys by SDES/],
    [rtp('sdes'), rtp('dtls'), {}, false],
    [rtp('sdes'), rtp('sdes'), { minAesBits: 256 }, false],
    [rtp('none'), rtp('none'), {}, false],
    [RIST, SRT, {}, false],
  ]
  for (const [near, far, more, expected] of cases) {
    const answer = chooseEncryption(near, far, rules(more))
    const words = answer.met ? answer.choice.scheme : answer.reason
    t.is(answer.met, expected !== false, words)
    if (expected) t.regex(words, expected)
    t.true(words.length > 0)
  }
})

test('plain RTP stays on its machine', (t) => {
  t.true(chooseEncryption(rtp('none'), rtp('none'), rules(), true).met)
  const forbidden = rules({ forbidTransports: new Set(['rtp'] as const) })
  t.false(chooseEncryption(rtp('none'), rtp('none'), forbidden, true).met)
})

test('transports come in the order of wishes, then of the class', (t) => {
  const all = [WEBRTC, SRT, RIST]
  const order = (more: Parameters<typeof request>[0], name: 'focus' | 'bulk', its = rules()) =>
    transportCandidates(all, request(more), name, its).candidates.map(({ transport }) => transport)
  t.deepEqual(order({}, 'focus'), ['rist', 'webrtc', 'srt'])
  t.deepEqual(order({}, 'bulk'), ['rist', 'srt', 'webrtc'])
  t.deepEqual(order({ preferred_transports: ['srt'] }, 'focus'), ['srt', 'rist', 'webrtc'])
  t.deepEqual(order({ action: 'subscribe' }, 'focus'), ['webrtc', 'srt', 'rist'])
  t.deepEqual(order({ action: 'subscribe', preference: 'srt' }, 'focus'), ['srt', 'webrtc', 'rist'])
  t.deepEqual(order({ action: 'subscribe', preference: { transports: ['rist'] } }, 'focus'), [
    'rist',
    'webrtc',
    'srt',
  ])
  t.deepEqual(order({}, 'focus', rules({ forbidTransports: new Set(['rist'] as const) })), ['webrtc', 'srt'])
})

test('transports that are left out are told with the reason', (t) => {
  const asked = request({ preferred_transports: ['srt', 'webrtc'] })
  const { candidates, reasons } = transportCandidates(
    [with128(WEBRTC), RIST],
    asked,
    'focus',
    rules({ minAesBits: 256 }),
  )
  t.deepEqual(candidates, [RIST])
  t.deepEqual(reasons, [
    'srt is preferred, but this end does not speak it',
    'webrtc rejected: webrtc here reaches AES-128, policy demands AES-256',
  ])
})

test('nothing crosses tenants', (t) => {
  t.true(mayActIn(principal({ tenant_id: 'a' }), 'a'))
  t.false(mayActIn(principal({ tenant_id: 'a', role: 'admin' }), 'b'))
  t.true(mayActIn(principal({ tenant_id: null, role: 'admin' }), 'b'))
  t.false(mayActIn(principal({ tenant_id: null, role: 'operator' }), 'b'))
  t.true(maySee('a', 'a'))
  t.false(maySee('a', 'b'))
  t.false(maySee('a', null))
  t.true(mayPass('a', 'a'))
  t.true(mayPass('a', null))
  t.false(mayPass('a', 'b'))
})
