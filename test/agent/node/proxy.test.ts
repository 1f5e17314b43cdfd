import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { connectToHub } from '../../../agent/node/hub-connection.ts'
import { askHub } from '../../../agent/node/hub-request.ts'
import { proxyOf } from '../../../agent/node/proxy.ts'

const CASES: readonly [url: string, env: Record<string, string>, proxy: string | null][] = [
  ['https://hub.example:9415', {}, null],
  ['https://hub.example:9415', { HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128/'],
  ['wss://hub.example/x', { https_proxy: 'proxy:3128' }, 'http://proxy:3128/'],
  ['https://hub.example', { HTTP_PROXY: 'http://proxy:3128' }, null],
  ['http://hub.example', { HTTP_PROXY: 'http://proxy:3128' }, 'http://proxy:3128/'],
  ['https://hub.example', { https_proxy: 'http://small', HTTPS_PROXY: 'http://large' }, 'http://small/'],
  ['https://hub.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '*' }, null],
  ['https://hub.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'other, example' }, null],
  ['https://hub.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '.example' }, null],
  ['https://hub.example', { HTTPS_PROXY: 'http://proxy', no_proxy: '*.example' }, null],
  ['https://hubexample', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'example' }, 'http://proxy/'],
  ['https://hub.example:9415', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'hub.example:443' }, 'http://proxy/'],
  ['https://hub.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'hub.example:443' }, null],
  ['https://10.0.0.1:9415', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '10.0.0.1' }, null],
  ['https://[fd00::1]:9415', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'fd00::1' }, null],
  ['https://[fd00::1]:9415', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '[fd00::1]:9415' }, null],
  ['https://10.0.0.1', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '0.0.1' }, 'http://proxy/'],
]

for (const [url, env, proxy] of CASES)
  test(`the proxy for ${url} with ${JSON.stringify(env)}`, (t) => {
    t.is(proxyOf(new URL(url), env)?.href ?? null, proxy)
  })

test('what is no address of a proxy is refused without its password', (t) => {
  const error = t.throws(() => proxyOf(new URL('https://hub'), { HTTPS_PROXY: 'ftp://user:hush@proxy' }), {
    code: 'proxy_invalid',
  })
  t.notRegex(error?.message ?? '', /hush/)
})

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

test.serial('a request goes through a proxy that asks for a password', async (t) => {
  const hub = createServer((_, response) => response.end('{"ok":true}'))
  const seen: (string | undefined)[] = []
  const proxy = createServer((_, response) => response.writeHead(405).end())
  proxy.on('connect', (request, socket) => {
    seen.push(request.url, request.headers['proxy-authorization'])
    if (request.headers['proxy-authorization'] === undefined) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const onward = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const end of [socket, onward]) end.on('error', () => {})
  })
  const [hubPort, proxyPort] = [await listening(hub), await listening(proxy)]
  t.teardown(() => {
    for (const server of [hub, proxy]) {
      server.close()
      server.closeAllConnections()
    }
    delete process.env['HTTP_PROXY']
    delete process.env['NO_PROXY']
  })
  const { signal } = new AbortController()
  const ask = () => askHub(new URL(`http://127.0.0.1:${hubPort}/x`), { method: 'GET', signal })
  process.env['HTTP_PROXY'] = `http://van:hu%3Ash@127.0.0.1:${proxyPort}`
  t.like(await ask(), { status: 200, json: { ok: true } })
  t.deepEqual(seen, [`127.0.0.1:${hubPort}`, `Basic ${btoa('van:hu:sh')}`])
  process.env['HTTP_PROXY'] = `http://127.0.0.1:${proxyPort}`
  await t.throwsAsync(ask(), { code: 'proxy_refuses', message: /407/ })
  // What speaks no CONNECT.
  process.env['HTTP_PROXY'] = `http://127.0.0.1:${hubPort}`
  await t.throwsAsync(connectToHub(new URL('http://127.0.0.1:9'), undefined, signal))
  // The limit is for connecting, not for the connection.
  process.env['HTTP_PROXY'] = `http://van:hu%3Ash@127.0.0.1:${proxyPort}`
  for (const direct of ['', '*']) {
    process.env['NO_PROXY'] = direct
    const late = new AbortController()
    const connection = await connectToHub(new URL(`http://127.0.0.1:${hubPort}`), undefined, late.signal)
    late.abort()
    await delay(50)
    t.false(connection.destroyed, direct)
    connection.destroy()
  }
})
