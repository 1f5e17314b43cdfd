import { useEffect, useState } from 'preact/hooks'

/** Whether nobody has moved, touched or typed for `ms`, so that controls can hide. */
export function useIdle(ms: number): boolean {
  const [idle, setIdle] = useState(false)
  useEffect(() => {
    let timer = setTimeout(() => setIdle(true), ms)
    const active = () => {
      setIdle(false)
      clearTimeout(timer)
      timer = setTimeout(() => setIdle(true), ms)
    }
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
    for (const name of events) addEventListener(name, active, { passive: true })
    return () => {
      clearTimeout(timer)
      for (const name of events) removeEventListener(name, active)
    }
  }, [ms])
  return idle
}
