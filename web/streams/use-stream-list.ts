import { useEffect, useState } from 'preact/hooks'
import { listStreams, type StreamListing } from '../../signaling/client/stream-list.ts'

const REFRESH_MS = 2_000

export interface StreamList {
  /** Null until the hub has answered once; the last answer stands while it can't be reached. */
  readonly streams: readonly StreamListing[] | null
  readonly reachable: boolean
}

/** The hub's streams, asked for every 2 s while the page can be seen. */
export function useStreamList(): StreamList {
  const [list, setList] = useState<StreamList>({ streams: null, reachable: true })
  useEffect(() => {
    let open = true
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = async () => {
      if (!document.hidden) {
        const streams = await listStreams(location.origin).catch(() => null)
        if (!open) return
        setList((old) => ({ streams: streams ?? old.streams, reachable: streams !== null }))
      }
      timer = setTimeout(() => void refresh(), REFRESH_MS)
    }
    void refresh()
    return () => {
      open = false
      clearTimeout(timer)
    }
  }, [])
  return list
}
