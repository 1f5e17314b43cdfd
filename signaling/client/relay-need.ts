import type { SubscribeRequest } from '../../common/wire/flows-api.ts'

type Wishes = Pick<SubscribeRequest, 'viewer_class' | 'preference'>

/** The same wishes of a viewer that no direct path leads to. */
export function needingRelay({ preference, ...more }: Wishes = {}): Wishes {
  const others = typeof preference === 'string' ? { transports: [preference] } : preference
  return { ...more, preference: { relay: 'needed', ...others } }
}
