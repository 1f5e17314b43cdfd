import type { LaneAttachment } from '../../../common/wire/lane-ipc.ts'
import type { CaptureMapping, IssueKind, PipelineSink } from '../../../sfu/ingress/pipeline.ts'
import {
  type AacToOpus,
  IngestPipeline,
  type PipelineLimits,
  type ProgramDescription,
  type Refusal,
} from '../../../sfu/ingress/pipeline.ts'
import { chunksOf } from '../../support/media-generator.ts'
import { parseRtp, type RtpPacket } from './rtp-depacketizer.ts'

export const ssrcs = { video: [1001, 1002, 1003, 1004], audio: 2001 } as const
export const extensionIds = { playout_delay: 6, abs_capture_time: 13 }

/** An event the pipeline reported, in order. */
export type Reported =
  | { readonly what: 'program'; readonly program: ProgramDescription }
  | { readonly what: 'refused'; readonly refusal: Refusal }
  | { readonly what: 'recovered' }

/** Runs a pipeline on a clock of its own and keeps everything that comes out. */
export class PipelineHarness {
  readonly pipeline: IngestPipeline
  readonly packets: RtpPacket[] = []
  readonly rtcp: Buffer[] = []
  readonly reported: Reported[] = []
  readonly captures: CaptureMapping[] = []
  readonly issues = new Map<IssueKind, number>()
  readonly keyframeRequests: (number | null)[] = []
  /** Media attach by themselves when the program is announced. */
  autoAttach = true
  nowMs = 1_800_000_000_000

  constructor(options: { aac?: AacToOpus; limits?: Partial<PipelineLimits>; now?: () => number } = {}) {
    const sink: PipelineSink = {
      rtp: (packet) => {
        if (packet[1]! >= 200 && packet[1]! <= 207) this.rtcp.push(Buffer.from(packet))
        else this.packets.push(parseRtp(packet))
      },
      program: (program) => {
        this.reported.push({ what: 'program', program })
        if (this.autoAttach) this.attach(program)
      },
      refused: (refusal) => this.reported.push({ what: 'refused', refusal }),
      recovered: () => this.reported.push({ what: 'recovered' }),
      capture: (mapping) => this.captures.push(mapping),
      issue: (kind) => this.issues.set(kind, (this.issues.get(kind) ?? 0) + 1),
      keyframeRequest: (rendition) => this.keyframeRequests.push(rendition),
    }
    this.pipeline = new IngestPipeline({
      sink,
      aac: options.aac ?? null,
      now: options.now ?? (() => this.nowMs),
      ...(options.limits && { limits: options.limits }),
    })
  }

  attach(
    program: Pick<ProgramDescription, 'audio'> & { video: readonly unknown[] },
    over: Partial<LaneAttachment> = {},
  ) {
    this.pipeline.attach({
      video: program.video.map((_, rendition) => ({
        ssrc: ssrcs.video[rendition]!,
        payload_type: 102,
        sequence: 65_530,
      })),
      audio: program.audio && { ssrc: ssrcs.audio, payload_type: 111, sequence: 10 },
      extension_ids: extensionIds,
      playout_delay_ms: { min: 0, max: 0 },
      clock: { epochMs: 1_800_000_000_000, offset90k: 123_456, last90k: 0 },
      cname: 'test',
      ...over,
    })
  }

  /** Pushes a recording in the time it lasts (on the harness's own clock), 7 packets at a time. */
  play(ts: Uint8Array, seconds: number, chunkBytes = 7 * 188): void {
    const start = this.nowMs
    let pushed = 0
    for (const chunk of chunksOf(ts, chunkBytes)) {
      pushed += chunk.length
      this.nowMs = start + (pushed / ts.length) * seconds * 1000
      this.pipeline.push(chunk)
    }
  }

  video(rendition = 0): RtpPacket[] {
    return this.packets.filter(({ ssrc }) => ssrc === ssrcs.video[rendition])
  }

  audio(): RtpPacket[] {
    return this.packets.filter(({ ssrc }) => ssrc === ssrcs.audio)
  }

  get programs(): ProgramDescription[] {
    return this.reported.flatMap((event) => (event.what === 'program' ? [event.program] : []))
  }

  get refusals(): Refusal[] {
    return this.reported.flatMap((event) => (event.what === 'refused' ? [event.refusal] : []))
  }
}
