import test from 'ava'
import { TurnServer } from '../../turn/turn-server.ts'
import { Chromium } from '../support/chromium.ts'
import { httpsWithTurn } from '../support/https-with-turn.ts'
import { testCertificate } from '../support/test-certificate.ts'
import { turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

const any = [{ ip: '127.0.0.1', port: 0 }]

interface Seen {
  readonly frames: number
  readonly message: string
  readonly local: string
  readonly remote: string
  readonly relayProtocol: string
}

async function ofItsOwnPorts() {
  const listen = { udp: any, tcp: any, tls: any }
  const turn = await TurnServer.open(turnStart({ listen, tls: await testCertificate() }))
  return { turn, at: null, [Symbol.asyncDispose]: () => turn[Symbol.asyncDispose]() }
}

/** Runs in the page: one connection sends a moving picture and a message to another, both by relay alone. */
async function connect(server: RTCIceServer): Promise<void> {
  const options: RTCConfiguration = { iceServers: [server], iceTransportPolicy: 'relay' }
  const [sender, receiver] = [new RTCPeerConnection(options), new RTCPeerConnection(options)]
  sender.onicecandidate = ({ candidate }) => void receiver.addIceCandidate(candidate ?? undefined)
  receiver.onicecandidate = ({ candidate }) => void sender.addIceCandidate(candidate ?? undefined)
  const canvas = document.createElement('canvas')
  const drawing = canvas.getContext('2d')!
  setInterval(() => {
    drawing.fillStyle = `hsl(${performance.now() % 360} 90% 50%)`
    drawing.fillRect(0, 0, canvas.width, canvas.height)
  }, 40)
  for (const track of canvas.captureStream(25).getTracks()) sender.addTrack(track)
  const channel = sender.createDataChannel('words')
  channel.onopen = () => channel.send('hello by relay')
  let message = ''
  receiver.ondatachannel = ({ channel: incoming }) => {
    incoming.onmessage = ({ data }) => {
      message = String(data)
    }
  }
  const video = document.createElement('video')
  video.muted = true
  receiver.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track])
    void video.play()
  }
  await sender.setLocalDescription()
  await receiver.setRemoteDescription(sender.localDescription!)
  await receiver.setLocalDescription()
  await sender.setRemoteDescription(receiver.localDescription!)
  Object.assign(window, {
    seen: async () => {
      const stats = [...(await receiver.getStats()).values()]
      const transport = stats.find(({ type }) => type === 'transport')
      const pair = stats.find(({ id }) => id === transport?.selectedCandidatePairId)
      const local = stats.find(({ id }) => id === pair?.localCandidateId)
      const remote = stats.find(({ id }) => id === pair?.remoteCandidateId)
      return {
        frames: stats.find(({ type }) => type === 'inbound-rtp')?.framesDecoded ?? 0,
        message,
        local: local?.candidateType ?? '',
        remote: remote?.candidateType ?? '',
        relayProtocol: local?.relayProtocol ?? '',
      }
    },
  })
}

for (const [name, protocol] of [
  ['UDP', 'udp'],
  ['TCP', 'tcp'],
  ['TLS', 'tls'],
  ['TLS on the port of HTTPS', 'tls'],
] as const)
  test.serial(`Chromium plays by relay alone over ${name}`, async (t) => {
    await using rig = name.includes('HTTPS') ? await httpsWithTurn() : await ofItsOwnPorts()
    const server = rig.turn
    const port = rig.at?.port ?? server.bound[protocol][0]!.port
    const scheme = protocol === 'tls' ? 'turns' : 'turn'
    const { username, password } = turnUser()
    // The certificate is nobody's.
    await using chromium = await Chromium.launch({ flags: ['--ignore-certificate-errors'] })
    await using opened = await chromium.open('about:blank')
    await opened.page.evaluate(connect, {
      urls: `${scheme}:127.0.0.1:${port}?transport=${protocol === 'udp' ? 'udp' : 'tcp'}`,
      username,
      credential: password,
    })
    const seen = () => opened.page.evaluate(() => (window as unknown as { seen(): Promise<Seen> }).seen())
    await until(async () => {
      const { frames, message } = await seen()
      return frames > 25 && message !== ''
    }, 'a second of pictures and the message')
    t.like(await seen(), {
      message: 'hello by relay',
      local: 'relay',
      remote: 'relay',
      relayProtocol: protocol,
    })
    const { flows, allocations } = server.report()
    t.true(allocations >= 2)
    t.true(flows.every((flow) => flow.protocol === protocol))
    // A picture of one colour is small; the answers to it are smaller.
    const [most] = flows.map(({ bytes_in }) => bytes_in).sort((a, b) => b - a)
    t.true(most! > 5000, `${most} bytes`)
    await opened.page.close()
    if (protocol !== 'udp') await until(() => server.report().allocations === 0, 'the end of the allocations')
  })
