import { randomInt } from 'node:crypto'
import { machineMs } from '../../common/clock.ts'
import type { Program } from '../../common/wire/ingress-ipc.ts'
import type { Attach } from '../../common/wire/lane-ipc.ts'
import { AUDIO_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE } from './ingest-side.ts'

/** What a lane would tell an ingress process, with `port` of loopback in the lane's place. */
export function attachment(program: Program, port: number): Attach {
  const track = (payload_type: number) => ({
    ssrc: randomInt(1, 2 ** 32),
    payload_type,
    sequence: randomInt(2 ** 16),
  })
  return {
    type: 'attach',
    target: { ip: '127.0.0.1', port },
    video: program.video.map(() => track(VIDEO_PAYLOAD_TYPE)),
    audio: program.audio && track(AUDIO_PAYLOAD_TYPE),
    cname: 'bench',
    extension_ids: { playout_delay: 6, abs_capture_time: 13 },
    playout_delay_ms: { min: 0, max: 0 },
    clock: { epochMs: Math.round(machineMs()), offset90k: randomInt(2 ** 31), last90k: 0 },
  }
}
