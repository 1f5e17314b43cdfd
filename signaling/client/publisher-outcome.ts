import { HubRefusal } from './hub-request.ts'
import type { Closing } from './hub-socket.ts'
import { CannotSend } from './published-track.ts'
import { RequestRefusal } from './publisher-connection.ts'
import type { PublisherState } from './publisher-state.ts'
import type { Pace } from './reconnect-delay.ts'

/** How one attempt to publish ended: its connection ended, or something was thrown on the way. */
export type PublishingEnd = Closing | { readonly cause: 'failed'; readonly error: unknown }

/** The consequence of the end of an attempt. */
export interface PublisherOutcome {
  /** What the publisher sees until the next attempt succeeds; null shows that it is reconnecting. */
  readonly trouble: PublisherState | null
  readonly reason: string
  readonly pace: Pace
  /** Shortest wait before the next attempt, ms, where the hub asks for one. */
  readonly atLeastMs: number
}

/** Refusals because contract, transport or stream ended under way. The next attempt has new ones. */
const OVERTAKEN = new Set([
  'unknown_ticket',
  'unknown_transport',
  'not_publishing',
  'gone',
  'stream_ended',
  'stream_not_found',
])

/** The ways in which an attempt ends, and what they mean for the publisher. */
export function publisherOutcome(end: PublishingEnd, hasToken: boolean): PublisherOutcome {
  if (end.cause !== 'failed') {
    if (end.cause === 'revoked') return outcome({ name: 'revoked', reason: end.reason }, 'rare')
    return { trouble: null, reason: end.reason, pace: 'soon', atLeastMs: 0 }
  }
  const { error } = end
  if (error instanceof HubRefusal) {
    const { status, retryAfterMs } = error
    return { ...refused(status, error.error.code, error.message, hasToken), atLeastMs: retryAfterMs }
  }
  if (error instanceof RequestRefusal) {
    if (OVERTAKEN.has(error.code)) return outcome(null, 'soon', error.message)
    return refused(error.status, error.code, error.message, hasToken)
  }
  if (error instanceof CannotSend) return outcome({ name: 'failed', reason: error.message }, 'rare')
  return outcome(null, 'soon', error instanceof Error ? error.message : String(error))
}

function refused(status: number, code: string, message: string, hasToken: boolean): PublisherOutcome {
  if (code === 'stream_taken') return outcome({ name: 'taken', reason: message }, 'rare')
  switch (status) {
    case 401:
      return outcome(
        {
          name: 'denied',
          reason: hasToken
            ? 'this server does not accept the token: it is mistyped, expired or revoked'
            : 'publishing needs a token',
        },
        'rare',
      )
    case 403:
      return outcome({ name: 'denied', reason: message }, 'rare')
    case 429:
      return outcome({ name: 'busy', reason: 'the server gets too many requests from here' }, 'soon')
    case 503:
      return outcome({ name: 'busy', reason: message }, 'slow')
    default:
      // What the hub can't do now it may do in a moment. What it refuses it will refuse again.
      return status >= 500
        ? outcome({ name: 'reconnecting', reason: message }, 'slow')
        : outcome({ name: 'failed', reason: message }, 'rare')
  }
}

function outcome(trouble: PublisherState | null, pace: Pace, reason = ''): PublisherOutcome {
  return { trouble, reason: trouble && 'reason' in trouble ? trouble.reason : reason, pace, atLeastMs: 0 }
}
