import { z } from 'zod'
import { streamClassSchema, streamIdSchema, streamStateSchema } from '../../common/wire/stream.ts'

const streamListing = streamStateSchema.extend({ stream_id: streamIdSchema, class: streamClassSchema })
const streamList = z.object({ streams: z.array(streamListing) })

export type StreamListing = z.infer<typeof streamListing>

/**
 * The streams a hub has, from `GET /v1/streams`. Waits at most 4 s.
 * @throws when the hub can't be reached or answers something else.
 */
export async function listStreams(hubUrl: string): Promise<StreamListing[]> {
  const response = await fetch(new URL('/v1/streams', hubUrl), {
    headers: { accept: 'application/json' },
    cache: 'no-store',
    signal: AbortSignal.timeout(4_000),
  })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  return streamList.parse(await response.json()).streams
}
