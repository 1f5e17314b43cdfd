import { makeClip } from '../../test/bench/paced-clip.ts'
import type { SenderStream } from '../../test/bench/paced-sender-protocol.ts'
import { PacedSenders } from '../../test/bench/paced-senders.ts'

/** RIST buffer of senders and receivers, ms. */
export const BUFFER_MS = 50

/** How many seconds to watch, from this process's arguments. */
export function secondsToWatch(): number {
  return Number(process.argv[process.argv.indexOf('--seconds') + 1])
}

/** Only this process is profiled: its children must start without clinic's hooks. */
export function profileThisProcessOnly(): void {
  process.execArgv.length = 0
  delete process.env['NODE_OPTIONS']
}

/** Real field streams of 6 Mb/s each, over their links, until disposed. */
export async function startLoad(streams: SenderStream[]): Promise<PacedSenders> {
  const clip = await makeClip()
  return new PacedSenders({ clip, streams, mode: 'duplicate', bufferMs: BUFFER_MS, repeat: true })
}
