import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { AgentMachine } from '../support/field-agent.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/until.ts'

const STREAM = 'field'

/** A hub with TLS, and a field sender's agent that is live at it with a test card. */
export interface AgentRig extends AsyncDisposable {
  /** The viewer page. */
  readonly url: string
}

/** Whatever the CA of the hub, which is its own. */
export const ANY_CERTIFICATE = ['--ignore-certificate-errors'] as const

export async function openAgentRig(): Promise<AgentRig> {
  await using stack = new AsyncDisposableStack()
  const hub = stack.use(await startHub([], { logLevel: 'error', args: ['--tls', 'on'] }))
  // From the enrolment on this process knows the hub's CA.
  const machine = stack.use(await AgentMachine.enrol(hub, 'bench-sender'))
  await letEverybodyWatch(hub)
  await machine.start({
    broadcasts: [
      {
        stream_id: STREAM,
        class: 'focus',
        source: { kind: 'test-card' },
        renditions: [{ width: 1280, height: 720 }],
      },
    ],
  })
  const isLive = async (): Promise<boolean> => {
    const { body } = await hub.api('GET', `/v1/streams/${STREAM}`)
    return (body as { state?: string }).state === 'live'
  }
  await until(isLive, 'the stream is live', 30_000)
  const owned = stack.move()
  return {
    url: `${hub.url}/watch/${STREAM}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
