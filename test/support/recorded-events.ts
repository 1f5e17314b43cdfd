import type { MediaEvents } from '../../sfu/media-events.ts'

/** What happened, by name, with the event's arguments. */
export type RecordedEvent = readonly [name: keyof MediaEvents, ...args: unknown[]]

/** Media events that are only written down; `onEvent` is called while they happen. */
export function recordEvents(onEvent: (event: RecordedEvent) => void = () => {}): {
  readonly events: MediaEvents
  readonly recorded: RecordedEvent[]
} {
  const recorded: RecordedEvent[] = []
  const events = new Proxy({} as MediaEvents, {
    get:
      (_, name: keyof MediaEvents) =>
      (...args: unknown[]) => {
        recorded.push([name, ...args])
        onEvent([name, ...args])
      },
  })
  return { events, recorded }
}
