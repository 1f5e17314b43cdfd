import 'reflect-metadata'
import { messageOf } from '../../common/errors.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { FrameReader } from '../sender/ts-frames.ts'
import { DirectMedia } from './direct-media.ts'
import { type DirectCommand, type DirectReport, directCommandSchema } from './direct-protocol.ts'
import { DirectViewer } from './direct-viewer.ts'
import { Seldom } from './seldom.ts'

/** The process for viewers of the sender's own network: media that comes on standard input leaves by WebRTC. */

const ALIVE_EVERY_MS = 500
/** Viewers ask for an IDR together at most once in this time, ms: an IDR is many times a picture. */
const KEYFRAME_EVERY_MS = 250

const viewers = new Map<string, DirectViewer>()

const parent = Parent.connect<DirectReport, DirectCommand>({
  told: directCommandSchema,
  hear: (command) => {
    if (command.type === 'leave') return leave(command.viewer)
    answer(command.viewer, command.sdp).then(
      (sdp) => parent.tell({ type: 'answer', viewer: command.viewer, sdp }),
      (thrown: unknown) => {
        leave(command.viewer)
        parent.tell({ type: 'refused', viewer: command.viewer, reason: messageOf(thrown).slice(0, 300) })
      },
    )
  },
  stop: async () => {
    await Promise.all([...viewers.values()].map((viewer) => viewer[Symbol.asyncDispose]()))
  },
})
const media = new DirectMedia({
  video: (packet) => {
    for (const viewer of viewers.values()) viewer.video(packet)
  },
  audio: (packet) => {
    for (const viewer of viewers.values()) viewer.audio(packet)
  },
})
const keyframe = new Seldom(KEYFRAME_EVERY_MS, () => parent.tell({ type: 'keyframe' }))
const frames = new FrameReader((frame) => media.push(frame))
process.stdin.on('data', (chunk: Buffer) => frames.push(chunk))
process.stdin.on('error', () => {}) // The channel tells that the parent has ended.
setInterval(() => parent.tell({ type: 'alive' }), ALIVE_EVERY_MS)
parent.tell({ type: 'ready' })

async function answer(name: string, offer: string): Promise<string> {
  leave(name)
  const viewer = new DirectViewer({
    keyframe: () => keyframe.call(),
    left: () => {
      if (viewers.get(name) !== viewer) return
      leave(name)
      parent.tell({ type: 'left', viewer: name })
    },
  })
  viewers.set(name, viewer)
  return viewer.answer(offer)
}

function leave(name: string): void {
  const viewer = viewers.get(name)
  viewers.delete(name)
  viewer?.[Symbol.asyncDispose]().catch(() => {})
}
