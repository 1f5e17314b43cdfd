import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { EncoderWishes } from '../../../agent/daemon/encoder-wishes.ts'
import type { EncoderConfig } from '../../../agent/encoder/encoder-protocol.ts'
import { GstreamerEncoder } from '../../../agent/encoder/gstreamer-encoder.ts'
import { SenderProcess } from '../../../agent/sender/sender-process.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../../../agent/ts-stamper.ts'
import { createLogger } from '../../../common/logger.ts'
import type { FlowContract } from '../../../common/wire/flow-contract.ts'
import { RIST_SECRETS } from '../../support/rist-bench.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'

/** A sender over a bond. */
export interface BondSide extends AsyncDisposable {
  /** The receiver waits for a keyframe. */
  keyframeNeeded(): void
  /** What has arrived on each link, five times a second. */
  arrived(packets: readonly number[]): void
  /** Weights, phases and bitrate of this moment, for people. */
  readonly view: string
}

const SIZE = { width: 960, height: 540 }
const logger = createLogger('silent')

const encoderConfig = (kbps: number, gopFrames: number): EncoderConfig => ({
  type: 'start',
  picture: { kind: 'test-card', name: 'bond' },
  sound: { source: { kind: 'tone' }, kbps: 64, gain_db: 0 },
  fps: 30,
  renditions: [SIZE],
  encoder: 'x264enc',
  pass_through: 'never',
  gop_frames: gopFrames,
  profile: 'baseline',
  target_kbps: kbps,
})

/** The agent's encoder, sender process and bond. */
export async function openOurs(contract: FlowContract): Promise<BondSide> {
  await using stack = new AsyncDisposableStack()
  let view = ''
  let wishes: EncoderWishes | null = null
  let encoder: GstreamerEncoder | null = null
  const sender = stack.use(
    new SenderProcess({
      hubUrl: 'http://127.0.0.1:9',
      nullPacketDeletion: false,
      logger,
      events: {
        authenticated: () => encoder?.requestKeyframe(null),
        stats: () => {},
        bond: (report) => {
          wishes?.bond(report)
          view = [
            report.target_kbps,
            ...report.links.map(
              ({ state, weight, kbps, rtt_ms, capacity_kbps }) =>
                `${state} w${weight} ${kbps}/${capacity_kbps} ${rtt_ms?.toFixed(0)}ms`,
            ),
          ].join(' | ')
        },
      },
    }),
  )
  sender.settings({ kbps: null, renditions: [SIZE], fps: 30, soundKbps: 64 })
  const stamper = new TsStamper({
    captureUnixMs: (pts) => captureTimeOfWallClockPts(pts, Date.now()),
    onPackets: (packets) => sender.write(packets),
  })
  encoder = stack.use(
    await GstreamerEncoder.start({
      config: encoderConfig(contract.pacing.target_kbps, 300),
      onData: (chunk) => stamper.push(chunk),
      logger,
    }),
  )
  wishes = new EncoderWishes(encoder)
  wishes.contract(contract.pacing.target_kbps)
  await sender.apply(contract)
  const owned = stack.move()
  return {
    keyframeNeeded: () => encoder.requestKeyframe(null),
    arrived: (packets) => sender.arrived({ at_ms: performance.now(), packets: [...packets] }),
    get view() {
      return view
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** `ristsender` with equal weights, and an encoder whose bitrate stays, with a keyframe a second: nobody can ask for one. */
export async function openPeer(ports: readonly number[], kbps: number, bufferMs: number): Promise<BondSide> {
  const [udpPort] = await freeUdpPorts(1)
  await using stack = new AsyncDisposableStack()
  const query = new URLSearchParams({
    buffer: String(bufferMs),
    'rtt-min': '10',
    weight: '100',
    secret: RIST_SECRETS.passphrase,
    'aes-type': String(RIST_SECRETS.aesBits),
    username: RIST_SECRETS.username,
    password: RIST_SECRETS.password,
  })
  const outputs = ports.map((port, index) => `rist://127.0.0.1:${port}?${query}&cname=link-${index + 1}`)
  const child = spawn(
    'ristsender',
    ['-p', '1', '-S', '0', '-v', '-1', '-i', `udp://@127.0.0.1:${udpPort}`, '-o', outputs.join(',')],
    { stdio: 'ignore' },
  )
  const gone = once(child, 'exit')
  stack.defer(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const socket = createSocket('udp4')
  stack.defer(() => void socket.close())
  const stamper = new TsStamper({
    captureUnixMs: (pts) => captureTimeOfWallClockPts(pts, Date.now()),
    onPackets: (packets) => {
      for (let at = 0; at < packets.length; at += 7 * 188)
        socket.send(Buffer.from(packets.subarray(at, at + 7 * 188)), udpPort!, '127.0.0.1')
    },
  })
  stack.use(
    await GstreamerEncoder.start({
      config: encoderConfig(kbps, 30),
      onData: (chunk) => stamper.push(chunk),
      logger,
    }),
  )
  const owned = stack.move()
  return {
    keyframeNeeded: () => {},
    arrived: () => {},
    view: '',
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
