import { CodedError } from '../../../common/errors.ts'
import type { PublisherJoin } from '../../../common/wire/flow-contract.ts'
import type { Action } from '../../../common/wire/ids.ts'
import type { SdpSession } from '../../../signaling/sdp/sdp-session.ts'
import type { AuthenticatedPrincipal } from '../../auth/principal.ts'
import { entityTag } from '../preconditions.ts'
import { type Asking, Reply } from '../route.ts'

const ICE_SESSION = {
  description: 'The ICE session, for `If-Match`; another after each restart.',
  example: '"1"',
} as const

/** Headers of `sessionMade`. */
export const SESSION_HEADERS = {
  Location: {
    description: 'The session: a secret.',
    example: '/whip/cam-1/8tXbLhYkVYp0S2wzq7nGd1rJmEoC4uAf',
  },
  ETag: ICE_SESSION,
  'Accept-Patch': { description: 'What the session takes.', example: 'application/trickle-ice-sdpfrag' },
  Link: {
    description: 'Each TURN server with what it takes to use it; absent where there is none.',
    example:
      '<turn:turn.example:3478>; rel="ice-server"; username="u"; credential="p"; credential-type="password"',
    optional: true,
  },
} as const

/** Headers of an answer about a changed session. */
export const PATCHED_HEADERS = { ETag: ICE_SESSION } as const

/** 201: the answer, the address of its session, and the ICE servers to use; RFC 9725 sections 4.2 and 4.6. */
export function sessionMade(
  session: SdpSession,
  sdp: string,
  iceServers: PublisherJoin['ice_servers'],
): Reply<string> {
  const links = iceServers.flatMap(({ urls, username, credential }) =>
    urls.map((url) =>
      [
        `<${url}>; rel="ice-server"`,
        ...(username === undefined ? [] : [`username="${quoted(username)}"`]),
        ...(credential === undefined
          ? []
          : [`credential="${quoted(credential)}"`, 'credential-type="password"']),
      ].join('; '),
    ),
  )
  return new Reply(sdp, {
    location: `/${session.door}/${session.streamId}/${session.id}`,
    etag: entityTag(session.generation),
    'accept-patch': 'application/trickle-ice-sdpfrag',
    ...(links.length === 0 ? {} : { link: links.join(', ') }),
  })
}

/** The refusal as these doors give it: a caller without a proof only hears that a proof is needed. */
export function doorRefusal(error: unknown, principal: AuthenticatedPrincipal): unknown {
  if (!(error instanceof CodedError)) return error
  if (error.code === 'acl_denied' && principal.role === 'anonymous') return proofMissing()
  return error
}

/**
 * Asks the ACL before the offer is read, so that the hub does no work for callers who may not. A ticket was granted for
 * its stream and needs no question.
 * @throws CodedError 401, 403
 */
export function refuseAtDoor(
  { principal, ask }: Asking,
  { action, streamId }: { readonly action: Action; readonly streamId: string },
  ticket: { readonly streamId: string | undefined } | undefined,
): void {
  if (ticket !== undefined) {
    if (ticket.streamId === streamId) return
    throw new CodedError('denied', 'the ticket is for another stream', { rule: 'ticket' })
  }
  const { allow, rule, reason } = ask(action, streamId)
  if (allow) return
  if (principal.role === 'anonymous') throw proofMissing()
  throw new CodedError('acl_denied', reason, { rule, details: [`rule: ${rule}`] })
}

function proofMissing(): CodedError {
  return new CodedError('unauthenticated', 'the request needs a bearer token', {
    details: ['header Authorization: must be `Bearer` and a token of this hub, or the ticket of a contract'],
  })
}

function quoted(text: string): string {
  return text.replaceAll(/["\\]/g, '\\$&')
}
