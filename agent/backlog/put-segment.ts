import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { rangeName, SEGMENT_TYPE, type SegmentRange } from '../../common/wire/backlog.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { authorizationOf, connectToHub } from '../node/hub-connection.ts'

/** Sent at once, bytes. */
const PIECE_BYTES = 16 * 1024
/** The hub gives a client 5 s for a request (OVERLAY_READ_MS), so the rate is never less than this takes, ms. */
const SENT_WITHIN_MS = 3500
const ANSWERED_WITHIN_MS = 20_000
const MAX_ANSWER_BYTES = 64 * 1024

const refusal = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

export interface PutAnswer {
  readonly status: number
  /** Of a refusal. */
  readonly code: string | null
  readonly message: string | null
}

/**
 * Delivers a segment to the hub evenly.
 * @param kbps the rate; more where the request would take too long
 * @throws errors of the connection, or AbortError after 20 s
 */
export async function putSegment(
  { hubUrl, identity }: HubAccess,
  streamId: string,
  range: SegmentRange,
  media: Buffer,
  kbps: number,
  signal: AbortSignal,
): Promise<PutAnswer> {
  const url = new URL(`/v1/streams/${encodeURIComponent(streamId)}/backlog/${rangeName(range)}`, hubUrl)
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWERED_WITHIN_MS)])
  const tls = identity()
  const socket = await connectToHub(url, tls, limited)
  try {
    const outgoing = request({
      method: 'PUT',
      signal: limited,
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        connection: 'close',
        ...authorizationOf(tls),
        'content-type': SEGMENT_TYPE,
        'content-length': media.length,
      },
    })
    const answer = Promise.withResolvers<PutAnswer>()
    let answered = false
    outgoing.on('error', answer.reject)
    outgoing.on('response', async (response) => {
      answered = true
      let text = ''
      response.setEncoding('utf8')
      try {
        for await (const chunk of response) if (text.length < MAX_ANSWER_BYTES) text += chunk
        answer.resolve(answerOf(response.statusCode ?? 0, text))
      } catch (error) {
        answer.reject(error)
      }
    })
    const bytesPerMs = Math.max(kbps / 8, media.length / SENT_WITHIN_MS)
    // A refusal may come before the end of the body.
    for (let at = 0; at < media.length && !answered; at += PIECE_BYTES) {
      const piece = media.subarray(at, at + PIECE_BYTES)
      if (!outgoing.write(piece)) await Promise.race([drained(outgoing), answer.promise])
      // Who waits hears when the connection is lost: a rejection that nobody hears would end the agent.
      await Promise.race([delay(piece.length / bytesPerMs, undefined, { signal: limited }), answer.promise])
    }
    outgoing.end()
    return await answer.promise
  } finally {
    socket.destroy()
  }
}

const drained = (outgoing: NodeJS.EventEmitter): Promise<void> =>
  new Promise((resolve) => outgoing.once('drain', resolve).once('close', resolve))

function answerOf(status: number, text: string): PutAnswer {
  try {
    const { error } = refusal.parse(JSON.parse(text))
    return { status, ...error }
  } catch {
    return { status, code: null, message: null }
  }
}
