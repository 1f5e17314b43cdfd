import test from 'ava'
import { ENDPOINT_WORDS, Endpoint, isAt } from '../../common/net/endpoint.ts'

for (const [ip, port, text] of [
  ['192.0.2.1', 3478, '192.0.2.1:3478'],
  ['255.255.255.255', 65_535, '255.255.255.255:65535'],
  ['0.0.0.0', 0, '0.0.0.0:0'],
  ['2001:DB8:0:0::1', 1, '[2001:db8::1]:1'],
  ['::', 9, '[::]:9'],
  ['1:2:3:4:5:6:7:8', 9, '[1:2:3:4:5:6:7:8]:9'],
  ['::ffff:192.0.2.1', 80, '[::ffff:c000:201]:80'],
] as const)
  test(`${ip} and port ${port}`, (t) => {
    const endpoint = Endpoint.of(ip, port)
    t.is(endpoint.toString(), text)
    t.is(endpoint.port, port)
    const words = new Uint32Array(3 * ENDPOINT_WORDS)
    words.set(endpoint.words, ENDPOINT_WORDS)
    t.deepEqual(Endpoint.at(words, ENDPOINT_WORDS), endpoint)
    t.true(isAt(endpoint.words, words, ENDPOINT_WORDS))
    for (let bit = 0; bit < endpoint.words.length * 32; bit += 1) {
      // Padding of an IPv4 address and the flow label of an IPv6 one do not count.
      const word = bit >> 5
      if ((endpoint.family === 4 && word > 1) || (endpoint.family === 6 && word === 1)) continue
      if (word === 0 && bit < 16) continue
      words[ENDPOINT_WORDS + word]! ^= 1 << (bit & 31)
      t.false(isAt(endpoint.words, words, ENDPOINT_WORDS), `bit ${bit}`)
      t.not(Endpoint.at(words, ENDPOINT_WORDS).key, endpoint.key, `bit ${bit}`)
      words[ENDPOINT_WORDS + word]! ^= 1 << (bit & 31)
    }
  })

test('what is no address throws', (t) => {
  for (const ip of ['', 'localhost', '1.2.3', '1.2.3.4.5', ':::', '[::1]'])
    t.throws(() => Endpoint.of(ip, 1), { instanceOf: TypeError })
})
