import { z } from 'zod'
import { type StreamSummary, streamSummarySchema } from '../../common/wire/flows-api.ts'
import { askHub } from './hub-request.ts'

const streamList = z.object({ streams: z.array(streamSummarySchema) })

/**
 * The streams that the token may read, or that anybody may read (null), from `GET /v1/streams`.
 * @throws HubRefusal, or an Error that says why there is no answer
 */
export async function listStreams(hubUrl: string, token: string | null): Promise<StreamSummary[]> {
  return (await askHub({ hubUrl, path: '/v1/streams', token }, streamList)).streams
}
