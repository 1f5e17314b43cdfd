import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { FFMPEG_OFFER, PION_OFFER } from '../support/client-offers.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { GSTREAMER_OFFER, OBS_OFFER } from '../support/offers.ts'

/** Requests of WHIP clients byte by byte, as their HTTP libraries write them. */

let hub: TestHub
let token: string
test.before(async () => {
  hub = await startHub([], { workers: 1 })
  token = await hub.issueToken({ role: 'publisher' })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends bytes, the body after `100 Continue` where the head asks for that; reads one answer. */
async function exchange(head: readonly string[], body = ''): Promise<Answer> {
  const { hostname, port } = new URL(hub.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  let got = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    got += text
  })
  const expects = head.some((line) => /^expect:/i.test(line))
  socket.write(`${head.join('\r\n')}\r\n\r\n${expects ? '' : body}`)
  if (expects) {
    await once(socket, 'data')
    if (!got.startsWith('HTTP/1.1 100')) throw new Error(got)
    got = ''
    socket.write(body)
  }
  await once(socket, 'end').catch(() => {})
  socket.destroy()
  const [answerHead = '', answerBody = ''] = got.split(/\r\n\r\n([\s\S]*)/)
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answerHead)?.[1]), head: answerHead, body: answerBody }
}

const chunked = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`

interface Client {
  readonly offer: string
  readonly version?: '1.0' | '1.1'
  readonly headers: readonly string[]
  /** How the offer is sent; whole by default. */
  readonly sent?: 'chunked'
  /** Of its DELETE. */
  readonly leaves: readonly string[]
}

const CLIENTS: Readonly<Record<string, Client>> = {
  'OBS, by libcurl': {
    offer: OBS_OFFER,
    headers: [
      'User-Agent: Mozilla/5.0 (OBS-Studio/31.0.0; Linux x86_64; en-US)',
      'Accept: */*',
      'Content-Type: application/sdp',
    ],
    leaves: ['User-Agent: Mozilla/5.0 (OBS-Studio/31.0.0; Linux x86_64; en-US)', 'Accept: */*'],
  },
  'libcurl, which waits before a long body': {
    offer: OBS_OFFER,
    headers: ['Accept: */*', 'Content-Type: application/sdp', 'Expect: 100-continue'],
    leaves: ['Accept: */*'],
  },
  'ffmpeg, which says that DELETE has SDP': {
    offer: FFMPEG_OFFER,
    headers: [
      'User-Agent: Lavf/62.3.100',
      'Accept: */*',
      'Range: bytes=0-',
      'Cache-Control: no-cache',
      'Content-Type: application/sdp',
      'Icy-MetaData: 1',
    ],
    leaves: [
      'User-Agent: Lavf/62.3.100',
      'Accept: */*',
      'Cache-Control: no-cache',
      'Content-Type: application/sdp',
      'Icy-MetaData: 1',
    ],
  },
  'GStreamer, by reqwest, in chunks': {
    offer: GSTREAMER_OFFER,
    headers: ['accept: */*', 'content-type: application/sdp'],
    sent: 'chunked',
    leaves: ['accept: */*', 'content-length: 0'],
  },
  "pion, by Go's library": {
    offer: PION_OFFER,
    headers: ['User-Agent: Go-http-client/1.1', 'Content-Type: application/sdp', 'Accept-Encoding: gzip'],
    leaves: ['User-Agent: Go-http-client/1.1', 'Accept-Encoding: gzip'],
  },
  'one of HTTP 1.0': {
    offer: OBS_OFFER,
    version: '1.0',
    headers: ['Content-Type: application/sdp'],
    leaves: [],
  },
  'one with a charset, and DELETE with an empty body in chunks': {
    offer: OBS_OFFER,
    headers: ['Content-Type: application/sdp; charset=UTF-8'],
    leaves: ['Transfer-Encoding: chunked'],
  },
}

for (const [client, { offer, version = '1.1', headers, sent, leaves }] of Object.entries(CLIENTS))
  test(`${client} is let in and let go`, async (t) => {
    const common = [`Host: ${new URL(hub.url).host}`, 'Connection: close', `Authorization: bearer ${token}`]
    const length = sent ? 'Transfer-Encoding: chunked' : `Content-Length: ${Buffer.byteLength(offer)}`
    const path = `/whip/by-${Object.keys(CLIENTS).indexOf(client)}`
    const post = [`POST ${path} HTTP/${version}`, ...common, ...headers, length]
    const made = await exchange(post, sent ? chunked(offer) : offer)
    t.is(made.status, 201, `${made.head} ${made.body}`)
    // RFC 9725 section 4.2; ffmpeg and others resolve it against the address that they asked.
    const location = /^location: (\S+)\r?$/im.exec(made.head)?.[1] ?? ''
    t.regex(location, /^\/whip\/by-\d\/[\w-]{32}$/)
    t.regex(made.head, /^content-type: application\/sdp\r?$/im)
    const empty = leaves.includes('Transfer-Encoding: chunked') ? '0\r\n\r\n' : ''
    const left = await exchange([`DELETE ${location} HTTP/${version}`, ...common, ...leaves], empty)
    t.is(left.status, 200, `${left.head} ${left.body}`)
  })

const FRAGMENT =
  'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 54321 typ host\r\n'

test('PATCH: what clients and proxies make of the entity tag', async (t) => {
  const common = [`Host: ${new URL(hub.url).host}`, 'Connection: close', `Authorization: Bearer ${token}`]
  const length = `Content-Length: ${Buffer.byteLength(OBS_OFFER)}`
  const made = await exchange(
    ['POST /whip/tags HTTP/1.1', ...common, 'Content-Type: application/sdp', length],
    OBS_OFFER,
  )
  const location = /^location: (\S+)\r?$/im.exec(made.head)?.[1]
  for (const [what, status, headers] of [
    ['its own', 204, ['If-Match: "1"']],
    ['one of several', 204, ['If-Match: "7", "1"']],
    ['any', 204, ['If-Match: *']],
    ['another', 412, ['If-Match: "2"']],
    ['a weak one, as of a proxy that compresses', 412, ['If-Match: W/"1"']],
    ['one without quotes', 400, ['If-Match: 1']],
    ['none', 428, []],
  ] as const) {
    const patch = [`PATCH ${location} HTTP/1.1`, ...common, ...headers]
    patch.push('Content-Type: application/trickle-ice-sdpfrag', `Content-Length: ${FRAGMENT.length}`)
    const answer = await exchange(patch, FRAGMENT)
    t.is(answer.status, status, `${what}: ${answer.body}`)
    if (status >= 400) t.regex(answer.body, /"details":\["header If-Match: must be/, what)
  }
})
