import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ViewerState } from '../../signaling/client/index.ts'
import { noticeOf } from '../state-words.ts'
import { TokenForm } from '../token-form.tsx'
import { EndedIcon, NothingIcon, WarningIcon } from './icons.tsx'

/** A state that lasts this long shows a clock, seconds. */
const CLOCK_AFTER_SECONDS = 5

const SIGNS: { readonly [Name in ViewerState['name']]?: ComponentChildren } = {
  refused: <WarningIcon />,
  unplayable: <WarningIcon />,
  failed: <NothingIcon />,
  denied: <WarningIcon />,
  revoked: <WarningIcon />,
  ended: <EndedIcon />,
}

/** States in which the next attempt by itself comes late. */
const CAN_RETRY: ReadonlySet<ViewerState['name']> = new Set([
  'reconnecting',
  'failed',
  'denied',
  'revoked',
  'busy',
])
const CAN_LEAVE: ReadonlySet<ViewerState['name']> = new Set([
  'ended',
  'failed',
  'refused',
  'denied',
  'revoked',
])

/** States that are expected to pass. */
const HAS_CLOCK: ReadonlySet<ViewerState['name']> = new Set(['no_picture', 'input_lost', 'reconnecting'])

interface NoticeProps {
  readonly state: ViewerState
  readonly since: number
  readonly onRetry: () => void
}

/** What is said over the picture. */
export function Notice({ state, since, onRetry }: NoticeProps) {
  const notice = noticeOf(state)
  if (notice === null) return null
  const canRetry = CAN_RETRY.has(state.name)
  const canLeave = CAN_LEAVE.has(state.name)
  return (
    <div class="notice" data-testid="notice">
      {notice.busy ? <span class="spinner" /> : <span class="sign">{SIGNS[state.name]}</span>}
      <h1>{notice.title}</h1>
      {notice.detail !== '' && <p data-testid="notice-detail">{notice.detail}</p>}
      {HAS_CLOCK.has(state.name) && <Elapsed key={since} since={since} />}
      {state.name === 'denied' && <TokenForm onChange={onRetry} />}
      {(canRetry || canLeave) && (
        <div class="choices">
          {canRetry && (
            <button type="button" class="button" onClick={onRetry} data-testid="retry">
              Try now
            </button>
          )}
          {canLeave && (
            <a class="button" href="/">
              All streams
            </a>
          )}
        </div>
      )}
    </div>
  )
}

function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(() => performance.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const seconds = Math.floor((now - since) / 1000)
  if (seconds < CLOCK_AFTER_SECONDS) return null
  const minutes = Math.floor(seconds / 60)
  return <p class="elapsed">{`${minutes}:${String(seconds % 60).padStart(2, '0')}`}</p>
}
