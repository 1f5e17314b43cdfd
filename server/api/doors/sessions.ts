import { z } from 'zod'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import { MAX_FRAGMENT_BYTES } from '../../../signaling/sdp/ice-fragment.ts'
import type { SdpSessions } from '../../../signaling/sdp/sdp-sessions.ts'
import { entityTag } from '../preconditions.ts'
import { badRequest } from '../refusals.ts'
import { defineRoute, Reply, type Route } from '../route.ts'
import { PATCHED_HEADERS } from './answers.ts'
import type { DoorTickets } from './door-tickets.ts'

const params = z.strictObject({
  stream_id: streamIdSchema,
  session_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
})

export interface SessionRouteDependencies {
  readonly sessions: SdpSessions
  readonly tickets: DoorTickets
}

/** What a client does with its session: trickle ICE, restart ICE, end the session. */
export function sessionRoutes(
  door: 'whip' | 'whep',
  { sessions, tickets }: SessionRouteDependencies,
): Route[] {
  const path = `/${door}/{stream_id}/{session_id}`
  return [
    defineRoute({
      method: 'patch',
      path,
      summary: `Tell a ${door.toUpperCase()} session of ICE`,
      description:
        'Takes candidates (with the ETag of the session as If-Match: 204) or restarts ICE (with If-Match: *: 200 and ' +
        "the hub's end as a fragment, RFC 8840).",
      action: null,
      identifies: true,
      // A session's address is a secret. A caller without it is refused before the fragment is read.
      admit: ({ principal }, { params: { stream_id, session_id } }) =>
        void sessions.get(door, stream_id, session_id, tickets.ownerOf(principal)),
      anyOrigin: true,
      cost: 'read',
      params,
      body: z.string(),
      bodyTypes: ['application/trickle-ice-sdpfrag'],
      maxBodyBytes: MAX_FRAGMENT_BYTES,
      ifMatch: 'required',
      answer: {
        status: 200,
        type: 'application/trickle-ice-sdpfrag',
        headers: PATCHED_HEADERS,
        orNothing: 'The candidates were taken.',
      },
      errors: ['bad_sdp', 'session_not_found', 'ice_session_mismatch'],
      handle: async ({ principal, ifMatch }, { params: { stream_id, session_id }, body }) => {
        const session = sessions.get(door, stream_id, session_id, tickets.ownerOf(principal))
        if (ifMatch === null) throw badRequest('If-Match is missing')
        const fragment = await session.patch(body, ifMatch)
        const etag = entityTag(session.generation)
        return fragment === null ? new Reply('', { etag }, 204) : new Reply(fragment, { etag })
      },
    }),
    defineRoute({
      method: 'delete',
      path,
      summary: `End a ${door.toUpperCase()} session`,
      description: 'Ends the session, its media, and the contract that was granted for it.',
      action: null,
      identifies: true,
      anyOrigin: true,
      cost: 'read',
      params,
      answer: { status: 200, type: 'text/plain' },
      errors: ['session_not_found'],
      handle: async ({ principal }, { params: { stream_id, session_id } }) => {
        await sessions.get(door, stream_id, session_id, tickets.ownerOf(principal)).leave()
        return ''
      },
    }),
  ]
}
