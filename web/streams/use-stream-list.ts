import { useEffect, useState } from 'preact/hooks'
import type { StreamSummary } from '../../common/wire/flows-api.ts'
import { HubRefusal, listStreams } from '../../signaling/client/index.ts'
import { accessToken } from '../access-token.ts'

const REFRESH_MS = 2_000

export interface StreamList {
  /** Null until the hub has answered once. The last answer stays while the hub can't be reached. */
  readonly streams: readonly StreamSummary[] | null
  /** `refused`: the hub does not accept this tab's token. */
  readonly answer: 'fine' | 'refused' | 'none'
}

const NOTHING: StreamList = { streams: null, answer: 'fine' }

/** The hub's streams that this tab may see, asked for every 2 s while the page is visible. */
export function useStreamList(): StreamList & { readonly refresh: () => void } {
  const [list, setList] = useState(NOTHING)
  /** Counts up when the hub must be asked at once. */
  const [asked, setAsked] = useState(0)
  useEffect(() => {
    let open = true
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = async () => {
      const next = document.hidden ? null : await ask()
      if (!open) return
      if (next !== null) setList((old) => ({ ...old, ...next }))
      // A token that is refused now is refused in two seconds too, and the hub counts such attempts.
      if (next?.answer !== 'refused') timer = setTimeout(() => void refresh(), REFRESH_MS)
    }
    void refresh()
    return () => {
      open = false
      clearTimeout(timer)
    }
  }, [asked])
  return { ...list, refresh: () => setAsked((count) => count + 1) }
}

async function ask(): Promise<Partial<StreamList>> {
  try {
    return { streams: await listStreams(location.origin, accessToken()), answer: 'fine' }
  } catch (error) {
    if (error instanceof HubRefusal && error.status === 401) return { streams: [], answer: 'refused' }
    return { answer: 'none' }
  }
}
