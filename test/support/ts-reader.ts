import { Demuxer } from '../../common/mpegts/demuxer.ts'

const PTS_HZ = 90_000
const AUDIO_PID = 0x110
const NAL_IDR = 5

export interface ReadUnit {
  readonly pts: number
  readonly bytes: number
  readonly keyframe: boolean
  /** Bytes of everything that had come up to and with this unit. */
  readonly allBytes: number
}

/** Reads an encoder's MPEG-TS as the ingress does, and counts. */
export class TsReader {
  readonly issues: string[] = []
  opus = 0
  readonly #units = new Map<number, ReadUnit[]>()
  readonly #demuxer: Demuxer
  #bytes = 0

  constructor() {
    const maxBytes = 2_000_000
    this.#demuxer = new Demuxer(
      {
        program: (streams) => this.#demuxer.select(streams.map(({ pid }) => ({ pid, maxBytes }))),
        unit: (pid, data, from, to, pts) => {
          if (pid === AUDIO_PID) this.opus += 1
          else this.#add(pid, data.subarray(from, to), pts)
        },
        lost: (pid) => this.issues.push(`lost ${pid}`),
        temi: () => {},
        issue: (kind) => this.issues.push(kind),
      },
      { maxStreams: 8, maxPids: 16 },
    )
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#demuxer.push(chunk)
  }

  /** Access units of a PID, in order. */
  units(pid: number): readonly ReadUnit[] {
    return this.#units.get(pid) ?? []
  }

  /** How many IDRs came of each video stream, ascending by PID. */
  keyframes(): number[] {
    return Array.from(this.#units)
      .sort(([a], [b]) => a - b)
      .map(([, units]) => units.filter(({ keyframe }) => keyframe).length)
  }

  /** Everything that came with the last PID's units from number `from` on, kb/s by their time stamps. */
  kbps(from: number): number {
    const units = this.units(Math.max(...this.#units.keys()))
    const first = units[from]!
    const last = units.at(-1)!
    return ((last.allBytes - first.allBytes) * 8) / ((last.pts - first.pts) / PTS_HZ) / 1000
  }

  #add(pid: number, data: Buffer, pts: number): void {
    const units = this.#units.get(pid) ?? []
    this.#units.set(pid, units)
    units.push({ pts, bytes: data.length, keyframe: hasIdr(data), allBytes: this.#bytes })
  }
}

function hasIdr(data: Buffer): boolean {
  for (let at = data.indexOf('000001', 0, 'hex'); at >= 0; at = data.indexOf('000001', at + 3, 'hex'))
    if ((data[at + 3]! & 0x1f) === NAL_IDR) return true
  return false
}
