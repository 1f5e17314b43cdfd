import { messageOf } from '../../common/errors.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { type HubToSwitch, hubToSwitchSchema, type SwitchToHub } from '../../common/wire/switch-ipc.ts'
import { SwitchSession } from './switch-session.ts'

/** The entry of a switch process: it feeds one lane from one of several inputs, as the hub says. */
let session: SwitchSession | null = null
/** Messages are handled one after the other; nothing may overtake `start`. */
let work: Promise<void> = Promise.resolve()

const hub = Parent.connect<SwitchToHub, HubToSwitch>({
  told: hubToSwitchSchema,
  hear: (message) => {
    work = work
      .then(() => handle(message))
      .catch((error) => hub.fail({ type: 'failed', message: messageOf(error) }))
  },
  stop: () => session?.[Symbol.dispose](),
})

async function handle(message: HubToSwitch): Promise<void> {
  if (message.type === 'start') {
    session = await SwitchSession.open(message, (report) => hub.tell(report))
    return hub.tell({ type: 'ready' })
  }
  if (!session) return
  switch (message.type) {
    case 'attach':
      return session.attach(message)
    case 'rules':
      return session.setRules(message.rules)
    case 'inputs':
      return session.setInputs(message)
    case 'feed':
      return session.feed(message)
    case 'captured':
      return session.captured(message)
    case 'take':
      return session.take(message)
    case 'preview':
      return session.preview(message.input)
    case 'slate':
      return session.addSlate(message)
  }
}
