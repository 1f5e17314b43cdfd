import type { SessionEnd } from './contract-session.ts'
import type { HubRefusal } from './hub-request.ts'
import type { Pace } from './reconnect-delay.ts'
import type { ViewerState } from './viewer-state.ts'

/** The consequence of the end of a session. */
export interface SessionOutcome {
  /** What the viewer sees until the next session is granted; null shows that it is reconnecting. */
  readonly trouble: ViewerState | null
  readonly reason: string
  readonly pace: Pace
  /** Shortest wait before the next attempt, ms, where the hub asks for one. */
  readonly atLeastMs: number
}

/** What the viewer knows beside the end of the session. */
export interface Watching {
  readonly streamId: string
  readonly hasToken: boolean
  /** Whether the stream's end was the last news of the stream. */
  readonly streamEnded: boolean
}

export function outcomeOf(end: SessionEnd, watching: Watching): SessionOutcome {
  if (end.cause === 'refused')
    return { ...refused(end.refusal, watching), atLeastMs: end.refusal.retryAfterMs }
  const { cause, reason } = end
  if (watching.streamEnded && cause !== 'never-opened') return outcome({ name: 'ended' }, 'slow')
  if (cause === 'revoked') return outcome({ name: 'revoked', reason }, 'rare')
  return { trouble: null, reason, pace: 'soon', atLeastMs: 0 }
}

function refused(
  { status, error }: HubRefusal,
  { streamId, hasToken, streamEnded }: Watching,
): SessionOutcome {
  const { message, resource } = error
  switch (status) {
    case 401:
      return outcome(
        {
          name: 'denied',
          reason: hasToken
            ? 'this server does not accept the token: it is mistyped, expired or revoked'
            : 'this stream is not open to everybody: it needs a token',
        },
        'rare',
      )
    case 403:
      return outcome({ name: 'denied', reason: ruleAndMessage(error.rule, message) }, 'rare')
    case 404:
      return outcome(
        streamEnded
          ? { name: 'ended' }
          : { name: 'failed', reason: `there is no stream “${streamId}” on this server` },
        'slow',
      )
    case 429:
      return outcome({ name: 'busy', reason: 'the server gets too many requests from here' }, 'soon')
    case 503:
      return outcome(
        { name: 'busy', reason: resource === undefined ? message : `${message} (${resource})` },
        'slow',
      )
    default:
      // What the hub can't do now it may do in a moment. What it refuses it will refuse again.
      return status >= 500
        ? outcome({ name: 'reconnecting', reason: message }, 'slow')
        : outcome({ name: 'failed', reason: message }, 'rare')
  }
}

/** The message mostly names the rule itself. */
function ruleAndMessage(rule: string | undefined, message: string): string {
  return rule === undefined || message.includes(rule) ? message : `${message} (rule “${rule}”)`
}

function outcome(trouble: ViewerState, pace: Pace): SessionOutcome {
  return { trouble, reason: 'reason' in trouble ? trouble.reason : '', pace, atLeastMs: 0 }
}
