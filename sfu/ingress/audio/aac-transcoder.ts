import { z } from 'zod'
import type { Logger } from '../../../common/logger.ts'
import { Demuxer } from '../../../common/mpegts/demuxer.ts'
import { elementaryCodec } from '../../../common/mpegts/elementary-codec.ts'
import { opusSamples, readOpusAccessUnit } from '../../../common/opus/opus-access-unit.ts'
import { addToPts } from '../../../common/pts.ts'
import type { Child } from '../../../common/supervision/child.ts'
import { type ChildEnd, Supervisor } from '../../../common/supervision/supervisor.ts'
import type { AacToOpus } from '../pipeline-types.ts'

/** libopus in its low-delay mode starts with 2.5 ms of silence (RFC 7845 section 4.2), samples at 48 kHz. */
const lookahead = 120
/** A child that takes no more input is stuck. 64 kB are several seconds of AAC. */
const maxQueuedBytes = 64 * 1024
/** Most marks of frames inside the child: it holds two or three frames, and half a second at its start. */
const maxMarks = 256
const pace = { initialMs: 250, maxMs: 5_000, factor: 2, healthyMs: 10_000 }

/**
 * The options with the least delay in measurements: ffmpeg's own MPEG-TS writer passes each Opus packet on at once (Ogg
 * holds one back), and 1 kB is enough to recognise ADTS. With `-avioflags direct` or `-fflags nobuffer` it is not.
 */
const ffmpegArguments = [
  ...['-hide_banner', '-loglevel', 'error', '-probesize', '1024', '-analyzeduration', '0'],
  ...['-f', 'aac', '-i', 'pipe:0', '-map', '0:a:0', '-ac', '2', '-ar', '48000'],
  ...['-c:a', 'libopus', '-application', 'lowdelay', '-frame_duration', '20', '-b:a', '96k'],
  ...['-f', 'mpegts', '-pes_payload_size', '0', '-muxdelay', '0', '-muxpreload', '0', '-flush_packets', '1'],
  'pipe:1',
]

/** An AAC frame starts at this sample of the child's input, and at this PTS. */
interface Mark {
  readonly sample: number
  readonly pts: number
}

export interface AacTranscoderOptions {
  readonly logger: Logger
  /** Program to run; default `ffmpeg` on the PATH. */
  readonly ffmpeg?: string
  /** Sound that comes out later than this after newer sound went in is dropped, ms; default 500. */
  readonly maxLagMs?: number
}

/**
 * Turns AAC into Opus (48 kHz stereo, 20 ms) with an ffmpeg child that gets only sound. The child starts with the first
 * frame, and again, with back-off, when it dies. PTS are carried across by counting samples from mark to mark.
 */
export class AacTranscoder implements AacToOpus {
  readonly #logger: Logger
  readonly #program: string
  readonly #maxLagTicks: number
  #listener: (packet: Buffer, pts: number) => void = () => {}
  #supervisor: Supervisor<never, never> | null = null
  #child: Child | null = null
  #complaint = ''
  #marks: Mark[] = []
  #samplesIn = 0
  #samplesOut = -lookahead
  #configuration = -1
  #closed = false

  constructor(options: AacTranscoderOptions) {
    this.#logger = options.logger
    this.#program = options.ffmpeg ?? 'ffmpeg'
    this.#maxLagTicks = (options.maxLagMs ?? 500) * 90
  }

  onOpus(listener: (packet: Buffer, pts: number) => void): void {
    this.#listener = listener
  }

  write(frame: Buffer, pts: number, ticks: number, configuration: number): void {
    if (this.#closed) return
    if (configuration !== this.#configuration) this.rest()
    this.#configuration = configuration
    this.#supervisor ??= this.#supervise()
    const child = this.#child
    if (!child) return
    // It takes no more: its successor does.
    if (child.stdin!.writableLength > maxQueuedBytes) return child.kill()
    if (this.#marks.length === maxMarks) this.#marks.shift()
    this.#marks.push({ sample: this.#samplesIn, pts })
    this.#samplesIn += (ticks * 48) / 90
    child.stdin!.write(Buffer.from(frame))
  }

  rest(): void {
    void this.#supervisor?.[Symbol.asyncDispose]()
    this.#supervisor = null
    this.#child = null
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.rest()
  }

  #supervise(): Supervisor<never, never> {
    const { PATH } = process.env
    return new Supervisor<never, never>({
      name: 'AAC transcoder',
      program: () => ({
        command: this.#program,
        args: ffmpegArguments,
        env: PATH === undefined ? {} : { PATH },
      }),
      said: z.never(),
      pace,
      stopWithinMs: 0,
      // It speaks only of what it hears; that it hears is seen by its queue.
      silence: null,
      trouble: (_kind, what) => this.#logger.error(what),
      started: (child) => this.#onStart(child),
      ended: (end) => this.#onEnd(end),
    })
  }

  #onStart(child: Child): void {
    this.#child = child
    this.#marks = []
    this.#samplesIn = 0
    this.#samplesOut = -lookahead
    this.#complaint = ''
    child.stderr!.on('data', (text: Buffer) => {
      this.#complaint = text.toString('utf8').trim().slice(-300)
    })
    const demuxer = this.#opusReader(child)
    child.stdout!.on('data', (data: Buffer) => demuxer.push(data))
  }

  #onEnd({ how, againMs }: ChildEnd): void {
    this.#child = null
    this.#logger.warn(
      { how, complaint: this.#complaint, retry_ms: Math.round(againMs) },
      'the AAC transcoder ended',
    )
  }

  #opusReader(child: Child): Demuxer {
    const unit = { from: 0, to: 0 }
    const demuxer = new Demuxer(
      {
        program: (streams) => {
          const opus = streams.find((stream) => elementaryCodec(stream).media === 'audio')
          if (opus) demuxer.select([{ pid: opus.pid, maxBytes: 64 * 1024 }])
        },
        unit: (_pid, data, from, to) => {
          if (this.#child !== child) return
          for (let at = from; readOpusAccessUnit(data, at, to, unit); at = unit.to) {
            this.#deliver(data.subarray(unit.from, unit.to))
          }
        },
        lost: () => {},
        temi: () => {},
        issue: () => {},
      },
      { maxStreams: 4, maxPids: 16 },
    )
    return demuxer
  }

  #deliver(packet: Buffer): void {
    const sample = this.#samplesOut
    this.#samplesOut += opusSamples(packet, 0, packet.length)
    while (this.#marks[1] && this.#marks[1].sample <= sample) this.#marks.shift()
    const mark = this.#marks[0]
    // While a child starts, sound piles up. Stale sound would only grow the viewers' buffers.
    const lag = ((this.#samplesIn - sample) * 90) / 48
    if (mark && lag <= this.#maxLagTicks) {
      this.#listener(packet, addToPts(mark.pts, ((sample - mark.sample) * 90) / 48))
    }
  }
}
