import { machineMs } from '../../common/clock.ts'
import { messageOf } from '../../common/errors.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { type HubToRelay, hubToRelaySchema, type RelayToHub } from '../../common/wire/relay-ipc.ts'
import { RelaySession } from './relay-session.ts'

/** How often the hub hears the positions; also this process's sign of life. */
const POSITIONS_EVERY_MS = 500

/** The entry of a relay process: it feeds the lanes of a worker's WebRTC publishers, as the hub says. */
let session: RelaySession | null = null
/** Messages are handled one after the other; `feed` must not overtake `start`. */
let work: Promise<void> = Promise.resolve()

const hub = Parent.connect<RelayToHub, HubToRelay>({
  told: hubToRelaySchema,
  hear: (message) => {
    work = work
      .then(() => handle(message))
      .catch((error) => hub.fail({ type: 'failed', message: messageOf(error) }))
  },
  stop: () => session?.[Symbol.dispose](),
})

async function handle(message: HubToRelay): Promise<void> {
  switch (message.type) {
    case 'start': {
      const opened = await RelaySession.open(message.rtp_port)
      session = opened
      setInterval(
        () => hub.tell({ type: 'positions', at_ms: machineMs(), positions: opened.positions() }),
        POSITIONS_EVERY_MS,
      )
      return hub.tell({ type: 'ready' })
    }
    case 'connect':
      return session?.connect(message)
    case 'feed':
      return session?.feed(message.tracks)
    case 'drop':
      return session?.drop(message.ssrcs)
  }
}
