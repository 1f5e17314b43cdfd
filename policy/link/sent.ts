import type { LinkStream } from './link-terms.ts'
import type { Memories, StreamMemory } from './shares.ts'

/** Bitrates waver: what gets through is counted with this margin. */
export const KEEP_MARGIN = 1.1
/** Opus and its headers, kb/s. */
const AUDIO_KBPS = 75

/** What is sent of pictures now, kb/s. */
export function picturesKbps(memories: Memories, streams: readonly LinkStream[]): number {
  return sum(streams, (stream) => pictureKbps(stream, memories.get(stream.id)))
}

/**
 * Bitrate of the lowest layers while any picture has a higher layer, kb/s. When a higher layer does not get through, the
 * lowest layer may still fit. So the lowest layer is tried before the picture is given up.
 */
export function leastKbps(memories: Memories, streams: readonly LinkStream[]): number {
  if (allAtLowest(memories, streams)) return 0
  const playing = streams.filter((stream) => pictureKbps(stream, memories.get(stream.id)) > 0)
  return (sum(playing, ({ steps }) => steps[0]?.kbps ?? 0) + soundKbps(streams)) * KEEP_MARGIN
}

export const allAtLowest = (memories: Memories, streams: readonly LinkStream[]): boolean =>
  streams.every(({ id }) => (memories.get(id)?.share?.step ?? 0) === 0)

/** What is sent, kb/s with sound; 0 while no picture is. */
export function sentKbps(memories: Memories, streams: readonly LinkStream[]): number {
  const pictures = picturesKbps(memories, streams)
  return pictures === 0 ? 0 : pictures + soundKbps(streams)
}

/** What a picture takes now, kb/s; 0 while the picture is paused or nobody knows. */
function pictureKbps(stream: LinkStream, memory: StreamMemory | undefined): number {
  const { view, ready, steps, layer } = stream
  if (!ready || !view.video || !view.visible || memory?.paused) return 0
  const sent = steps.find(({ spatial, temporal }) => spatial === layer.spatial && temporal === layer.temporal)
  return sent?.kbps ?? steps[memory?.share?.step ?? -1]?.kbps ?? 0
}

export const soundKbps = (streams: readonly LinkStream[]): number =>
  streams.filter(({ sound }) => sound).length * AUDIO_KBPS

export const sum = (streams: readonly LinkStream[], of: (stream: LinkStream) => number): number =>
  streams.reduce((total, stream) => total + of(stream), 0)
