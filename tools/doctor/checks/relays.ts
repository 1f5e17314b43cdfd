import { TurnClient } from '../../../agent/detour/turn-client.ts'
import { CodedError, messageOf } from '../../../common/errors.ts'
import { readTurnUrl } from '../../../common/net/turn-url.ts'
import { DEFAULT_TENANT } from '../../../common/wire/stream.ts'
import { SETTINGS } from '../../../server/config/settings.ts'
import { probeStun } from '../../../server/relays/stun-probe.ts'
import { coturnNodeOf, coturnUrlsOf, turnSecretFileOf } from '../../../server/relays/turn-place.ts'
import { secretFrom, secretInEnvironment } from '../../../server/relays/turn-secret.ts'
import { subjectTag, turnCredential, turnUsername } from '../../../turn/credentials.ts'
import { type Check, type DoctorContext, type Finding, fault, fine, named, warning } from '../check.ts'

const ANSWER_MS = 2000
/** Life of the credential by which the doctor allocates, s. */
const CREDENTIAL_S = 60

interface Relay {
  readonly nodeId: string
  readonly urls: readonly string[]
  readonly secret: () => string
  /** How to mend what does not answer. */
  readonly start: string
}

/** Whether the TURN servers that the hub does not run answer, and take the hub's credentials. */
export const relays: Check = {
  name: 'relays',
  async run(context) {
    const found = await Promise.all(relaysOf(context).map((relay) => examine(relay, context.signal)))
    return found.length > 0 ? found.flat() : [fine('relays', 'there are none beside the hub’s own')]
  },
}

function relaysOf({ config, env, addresses }: DoctorContext): Relay[] {
  const beside: Relay[] =
    config.turnMode === 'coturn'
      ? [
          {
            nodeId: coturnNodeOf(config),
            urls: coturnUrlsOf(config, addresses.announced.rtc),
            secret: () => secretFrom(turnSecretFileOf(config), false),
            start:
              'npm run turn:coturn-config -- [what the hub is given] --out FILE, then turnserver -c FILE',
          },
        ]
      : []
  const elsewhere = config.relays.map(
    ({ node_id: nodeId, urls, secret_file, secret_env = '' }): Relay => ({
      nodeId,
      urls,
      secret: () =>
        secret_file === undefined ? secretInEnvironment(secret_env, env) : secretFrom(secret_file, false),
      start: 'start it there',
    }),
  )
  return [...beside, ...elsewhere]
}

async function examine(relay: Relay, signal: AbortSignal): Promise<Finding[]> {
  let secret: string
  try {
    secret = relay.secret()
  } catch (error) {
    const [detail = messageOf(error)] = error instanceof CodedError ? error.details : []
    const change = `${relay.start}; both share the secret (${named(SETTINGS.turnSecretFile)}, or secret_file of [[relays]])`
    return [fault(`relay ${relay.nodeId}`, `its secret can't be read: ${detail}`, change)]
  }
  return await Promise.all(relay.urls.map((url) => tried(relay, url, secret, signal)))
}

/** Over UDP only whether it answers: a lost datagram would look like a refusal. */
async function tried(
  { nodeId, start }: Relay,
  url: string,
  secret: string,
  signal: AbortSignal,
): Promise<Finding> {
  const where = `relay ${nodeId}, ${url}`
  const { host, port, protocol } = readTurnUrl(url)
  try {
    if (protocol === 'udp') {
      const roundTripMs = await probeStun(
        { host, port, protocol },
        AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      )
      return fine(where, `it answers in ${roundTripMs.toFixed(1)} ms`)
    }
    const server = { host, port, secure: protocol === 'tls', ...credentialOf(secret) }
    using _client = await TurnClient.open(
      server,
      () => {},
      () => {},
      signal,
    )
    return fine(where, "it takes the hub's credentials")
  } catch (error) {
    const refused = /refuses: 401/.test(messageOf(error))
    const what = refused
      ? "it answers, and refuses the hub's credentials: it has another secret"
      : `it can't be used from this machine: ${reasonOf(error)}`
    const change = refused
      ? `give it the hub's secret (static-auth-secret), or the hub its own`
      : `${start}; open ${protocol === 'udp' ? 'UDP' : 'TCP'} ${port} to it`
    return warning(where, what, change)
  }
}

function credentialOf(secret: string) {
  const username = turnUsername({
    expiresAtS: Date.now() / 1000 + CREDENTIAL_S,
    tenantId: DEFAULT_TENANT,
    contractId: 'doctor',
    subject: subjectTag(secret, DEFAULT_TENANT, 'doctor'),
  })
  return { username, password: turnCredential(secret, username) }
}

/** With the system's words, where there are any. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
  return `${messageOf(error)}${cause}`
}
