import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import type { Chromium } from './chromium.ts'

/** What a page's peer connection has in one direction, as its statistics say. */
const mediaSchema = z.object({
  audioPackets: z.number(),
  videoPackets: z.number(),
  frames: z.number(),
  width: z.number(),
  codec: z.string(),
  kbytes: z.number(),
})
export type PageMedia = z.infer<typeof mediaSchema>

const answerSchema = z.object({
  status: z.number(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
export type PageAnswer = z.infer<typeof answerSchema>

export interface PublishOptions {
  readonly codec?: string
  readonly simulcast?: boolean
  readonly video?: boolean
  readonly audio?: boolean
}

export interface WatchOptions {
  readonly video?: boolean
  readonly audio?: boolean
  /** Codecs of video that are offered; all by default. */
  readonly codecs?: readonly string[]
  /** Where packets are sent instead of the hub's UDP port, which it is told; there is no TCP then. */
  readonly through?: (port: number) => Promise<number>
}

/** A page of another origin with nothing but RTCPeerConnection and fetch: what WHIP and WHEP clients are made of. */
export class RtcPage implements AsyncDisposable {
  readonly page: Page
  readonly #stack: AsyncDisposableStack

  private constructor(page: Page, stack: AsyncDisposableStack) {
    this.page = page
    this.#stack = stack
  }

  static async open(chromium: Chromium): Promise<RtcPage> {
    await using stack = new AsyncDisposableStack()
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><video autoplay muted></video>')
    }).listen(0, '127.0.0.1')
    stack.defer(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    const watched = await chromium.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    stack.use(watched)
    await watched.page.evaluate(CLIENT)
    return new RtcPage(watched.page, stack.move())
  }

  /** Makes an open page such a client, whatever it was. */
  static async on(page: Page): Promise<RtcPage> {
    await page.evaluate(() => {
      document.body.innerHTML = '<video autoplay muted></video>'
    })
    await page.evaluate(CLIENT)
    return new RtcPage(page, new AsyncDisposableStack())
  }

  /** Offers camera and microphone by WHIP. */
  async publish(url: string, token: string | null, options: PublishOptions = {}): Promise<PageAnswer> {
    return answerSchema.parse(
      await this.page.evaluate(
        ([url, token, options]) => Reflect.get(globalThis, 'publish')(url, token, options),
        [url, token, options] as const,
      ),
    )
  }

  /** Offers to receive by WHEP. */
  async watch(
    url: string,
    token: string | null,
    { through, ...options }: WatchOptions = {},
  ): Promise<PageAnswer> {
    if (through) await this.page.exposeFunction('through', through)
    return answerSchema.parse(
      await this.page.evaluate(
        ([url, token, options]) => Reflect.get(globalThis, 'watch')(url, token, options),
        [url, token, options] as const,
      ),
    )
  }

  /** A request to the session's URL, from the page. */
  async ask(
    method: string,
    url: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<PageAnswer> {
    return answerSchema.parse(
      await this.page.evaluate(
        ([method, url, headers, body]) => Reflect.get(globalThis, 'ask')(method, url, headers, body),
        [method, url, headers, body ?? null] as const,
      ),
    )
  }

  /** Restarts ICE by PATCH. */
  async restartIce(url: string, token: string | null): Promise<PageAnswer> {
    return answerSchema.parse(
      await this.page.evaluate(([url, token]) => Reflect.get(globalThis, 'restartIce')(url, token), [
        url,
        token,
      ] as const),
    )
  }

  async media(direction: 'inbound-rtp' | 'outbound-rtp' = 'inbound-rtp'): Promise<PageMedia> {
    return mediaSchema.parse(
      await this.page.evaluate((direction) => Reflect.get(globalThis, 'media')(direction), direction),
    )
  }

  async connectionState(): Promise<string> {
    return z.string().parse(await this.page.evaluate('pc.connectionState'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** Runs in the page: what a bare client does, and no more. */
const CLIENT = `
const headersOf = (token, more = {}) => ({ ...(token === null ? {} : { authorization: 'Bearer ' + token }), ...more })
globalThis.ask = async (method, url, headers, body) => {
  const response = await fetch(url, { method, headers, ...(body === null ? {} : { body }) })
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}
const exchange = async (url, token) => {
  await pc.setLocalDescription()
  const answer = await ask('POST', url, headersOf(token, { 'content-type': 'application/sdp' }), pc.localDescription.sdp)
  if (answer.status !== 201) return answer
  let sdp = answer.body
  if (globalThis.through) {
    const [, port] = /^a=candidate:\\S+ 1 udp \\d+ \\S+ (\\d+) /m.exec(sdp)
    const other = await through(Number(port))
    sdp = sdp
      .replace(/^(a=candidate:\\S+ 1 udp \\d+) \\S+ \\d+ /gm, '$1 127.0.0.1 ' + other + ' ')
      .replace(/^a=candidate:\\S+ 1 tcp .*\\r\\n/gm, '')
  }
  await pc.setRemoteDescription({ type: 'answer', sdp })
  return answer
}
const prefer = (transceiver, side, names) => {
  const { codecs } = side.getCapabilities('video')
  const wanted = codecs.filter(({ mimeType }) => names.includes(mimeType.split('/')[1].toUpperCase()))
  const repair = codecs.filter(({ mimeType }) => mimeType === 'video/rtx')
  transceiver.setCodecPreferences([...wanted, ...repair])
}
// Chromium sends no third layer of less than 960 x 540.
globalThis.publish = async (url, token, { codec, simulcast = false, video = true, audio = true }) => {
  globalThis.pc = new RTCPeerConnection()
  const stream = await navigator.mediaDevices.getUserMedia({ audio, ...(video ? { video: simulcast ? { width: 960, height: 540, frameRate: 15 } : { width: 640, height: 360, frameRate: 20 } } : {}) })
  for (const track of stream.getTracks()) {
    const layered = simulcast && track.kind === 'video'
    const transceiver = pc.addTransceiver(track, {
      direction: 'sendonly',
      streams: [stream],
      ...(layered ? { sendEncodings: [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }] } : {}),
    })
    if (codec && track.kind === 'video') prefer(transceiver, RTCRtpSender, [codec])
  }
  return exchange(url, token)
}
globalThis.watch = async (url, token, { video = true, audio = true, codecs }) => {
  globalThis.pc = new RTCPeerConnection()
  const element = document.querySelector('video')
  element.srcObject = new MediaStream()
  pc.ontrack = ({ track }) => element.srcObject.addTrack(track)
  if (audio) pc.addTransceiver('audio', { direction: 'recvonly' })
  if (video) {
    const transceiver = pc.addTransceiver('video', { direction: 'recvonly' })
    if (codecs) prefer(transceiver, RTCRtpReceiver, codecs)
  }
  return exchange(url, token)
}
globalThis.restartIce = async (url, token) => {
  pc.restartIce()
  const offer = await pc.createOffer()
  await pc.setLocalDescription(offer)
  const of = (sdp, name) => new RegExp('a=' + name + ':(\\\\S+)').exec(sdp)[1]
  const fragment = 'a=ice-ufrag:' + of(offer.sdp, 'ice-ufrag') + '\\r\\na=ice-pwd:' + of(offer.sdp, 'ice-pwd') + '\\r\\n'
  const answer = await ask('PATCH', url, headersOf(token, { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' }), fragment)
  if (answer.status !== 200) return answer
  const sdp = pc.remoteDescription.sdp
    .replaceAll(/a=ice-ufrag:\\S+/g, 'a=ice-ufrag:' + of(answer.body, 'ice-ufrag'))
    .replaceAll(/a=ice-pwd:\\S+/g, 'a=ice-pwd:' + of(answer.body, 'ice-pwd'))
  await pc.setRemoteDescription({ type: 'answer', sdp })
  return answer
}
globalThis.media = async (direction) => {
  const all = [...(await pc.getStats()).values()]
  const mine = all.filter(({ type }) => type === direction)
  const packets = (each) => each.packetsReceived ?? each.packetsSent ?? 0
  const video = mine.filter(({ kind }) => kind === 'video')
  const sum = (values) => values.reduce((total, value) => total + value, 0)
  return {
    audioPackets: sum(mine.filter(({ kind }) => kind === 'audio').map(packets)),
    videoPackets: sum(video.map(packets)),
    frames: sum(video.map((each) => each.framesDecoded ?? each.framesEncoded ?? 0)),
    width: Math.max(0, ...video.map(({ frameWidth }) => frameWidth ?? 0)),
    codec: all.find(({ id }) => id === video[0]?.codecId)?.mimeType ?? '',
    kbytes: sum(mine.map((each) => (each.bytesReceived ?? each.bytesSent ?? 0) / 1000)),
  }
}
`
