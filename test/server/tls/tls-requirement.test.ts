import test from 'ava'
import { isLoopback } from '../../../server/tls/loopback.ts'
import { type TlsConfig, tlsRequirement } from '../../../server/tls/tls-requirement.ts'
import { TLS_SETTINGS } from '../../../server/tls/tls-settings.ts'

const none: TlsConfig = { tls: 'auto', tlsCertFile: '', tlsKeyFile: '', tlsNames: [], tlsAcmeEmail: '' }
const files = { tlsCertFile: '/c.pem', tlsKeyFile: '/k.pem' }

function answer(bind: string, config: Partial<TlsConfig>): string {
  const requirement = tlsRequirement(bind, { ...none, ...config })
  if (requirement.kind === 'tls') return `tls from ${requirement.certificate.from}`
  return requirement.kind === 'plain' ? 'plain' : requirement.error.details.join()
}

test('what is off loopback gets TLS, whatever is set', (t) => {
  for (const bind of ['0.0.0.0', '::', '192.168.1.5', 'hub.example', '10.0.0.1', 'fe80::1', '128.0.0.1']) {
    t.is(answer(bind, {}), 'tls from authority', bind)
    t.is(answer(bind, files), 'tls from files', bind)
    t.is(answer(bind, { tls: 'on' }), 'tls from authority', bind)
    t.regex(answer(bind, { tls: 'off' }), /^TLS: off is allowed on loopback only/, bind)
  }
})

test('loopback may be plain', (t) => {
  for (const bind of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1']) {
    t.is(answer(bind, {}), 'plain', bind)
    t.is(answer(bind, { tls: 'off', ...files }), 'plain', bind)
    t.is(answer(bind, { tls: 'on' }), 'tls from authority', bind)
    t.is(answer(bind, { tls: 'on', ...files }), 'tls from files', bind)
  }
  for (const host of ['127.0.0.1.example', 'localhost.example', '1.127.0.0', '::2', ''])
    t.false(isLoopback(host), host)
})

test('a certificate without its key, or the other way round, names the setting', (t) => {
  t.regex(answer('0.0.0.0', { tlsCertFile: '/c.pem' }), /^TLS_KEY_FILE: needed/)
  t.regex(answer('127.0.0.1', { tlsKeyFile: '/k.pem' }), /^TLS_CERT_FILE: needed/)
})

test('names are read from text and from lists', (t) => {
  const { read } = TLS_SETTINGS.tlsNames
  t.deepEqual(read(''), [])
  t.deepEqual(read('hub.example, 192.0.2.1 ,2001:db8::1'), ['hub.example', '192.0.2.1', '2001:db8::1'])
  t.deepEqual(read(['*.example']), ['*.example'])
  for (const wrong of ['a b', 'https://x', 'a/b', [1], 7, Array(51).fill('a')]) t.is(read(wrong), undefined)
})
