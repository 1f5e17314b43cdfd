import { messageOf } from '../common/errors.ts'
import { Parent } from '../common/supervision/parent.ts'
import { type HubToTurn, hubToTurnSchema, type TurnToHub } from '../common/wire/turn-ipc.ts'
import { TurnServer } from './turn-server.ts'

/** How often the hub hears the figures; also this process's sign of life. */
const STATE_EVERY_MS = 1000

/** The entry of the TURN process. */
let server: TurnServer | null = null
/** Messages are handled one after the other; nothing must overtake `start`. */
let work: Promise<void> = Promise.resolve()

const hub = Parent.connect<TurnToHub, HubToTurn>({
  told: hubToTurnSchema,
  hear: (message) => {
    work = work
      .then(() => handle(message))
      .catch((error) => hub.fail({ type: 'failed', message: messageOf(error) }))
  },
  stop: () => server?.[Symbol.asyncDispose](),
})

async function handle(message: HubToTurn): Promise<void> {
  switch (message.type) {
    case 'start': {
      const opened = await TurnServer.open(message)
      server = opened
      hub.tell({ type: 'ready', ...opened.bound })
      setInterval(() => tellState(opened), STATE_EVERY_MS)
      return
    }
    case 'certificate':
      return server?.setCertificate(message)
    case 'end':
      return server?.endContract(message.contract_id)
  }
}

function tellState(opened: TurnServer): void {
  for (const refusal of opened.refusals()) hub.tell({ type: 'refused', ...refusal })
  hub.tell({ type: 'state', ...opened.report() })
}
