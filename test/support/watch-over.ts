import { Chromium } from './chromium.ts'
import { startClipSender } from './clip-sender.ts'
import { startHub } from './hub.ts'
import { type ImpairedLinkOptions, openImpairedLink } from './impaired-link.ts'
import { receiveBy } from './page-reception.ts'
import { freeUdpPorts } from './udp-ports.ts'

/** A stream whose viewer page has its media over a link, on a hub of its own. */
export async function watchOver(
  path: string,
  impairment: Omit<ImpairedLinkOptions, 'targetPort'>,
  receive: Parameters<typeof receiveBy>[2] = {},
) {
  await using stack = new AsyncDisposableStack()
  const [rtcPort = 0] = await freeUdpPorts(1)
  const args = ['--rtc-port', String(rtcPort)]
  const hub = stack.use(await startHub([{ streamId: 'one' }], { workers: 1, args }))
  const link = stack.use(await openImpairedLink({ targetPort: rtcPort, ...impairment }))
  const chromium = stack.use(await Chromium.launch())
  stack.use(await startClipSender(hub.streams.get('one')!, { path, repeat: true }))
  const { page, errors } = stack.use(await chromium.open('about:blank'))
  await receiveBy(page, link.port, receive)
  const said: string[] = []
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => said.push(String(payload))))
  await page.goto(`${hub.url}/watch/one`)
  const owned = stack.move()
  return { page, errors, link, said, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
