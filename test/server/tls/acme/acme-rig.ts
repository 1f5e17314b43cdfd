import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { AuditDraft } from '../../../../server/audit/audit-record.ts'
import { Sealer } from '../../../../server/store/sealing.ts'
import { ACME_RULES, type AcmeRules } from '../../../../server/tls/acme/acme-schedule.ts'
import { ACME_SETTINGS } from '../../../../server/tls/acme/acme-settings.ts'
import { endChallenges } from '../../../../server/tls/acme/challenge-alpn.ts'
import type { ChallengeType } from '../../../../server/tls/acme/challenge-answers.ts'
import { openAcme } from '../../../../server/tls/acme/open-acme.ts'
import { openTls } from '../../../../server/tls/open-tls.ts'
import { type authRig, logger } from '../../auth/auth-rig.ts'

type Rig = Awaited<ReturnType<typeof authRig>>

export const quickRules: AcmeRules = {
  ...ACME_RULES,
  ordersAnHour: 50,
  ordersADay: 50,
  unreachable: { initialMs: 100, maxMs: 500, factor: 2 },
  refused: { initialMs: 100, maxMs: 500, factor: 2 },
}

export interface AcmeHubOptions {
  readonly directory: string
  readonly caFile: string
  readonly httpPort: number
  readonly tlsPort: number
  readonly names?: readonly string[]
  readonly challenges?: readonly ChallengeType[]
  readonly rules?: AcmeRules
  readonly now?: () => number
}

/** What a hub has of TLS, with certificates of a public CA, on the store and CA of an auth rig. */
export async function acmeHub({ auth, store, keyring }: Rig, options: AcmeHubOptions) {
  await using stack = new AsyncDisposableStack()
  const { httpPort, tlsPort, names = ['a.example.com', 'b.example.com'] } = options
  const alarms: (string | null)[] = []
  const audit: AuditDraft[] = []
  const failures: string[] = []
  const acme = (await openAcme({
    config: {
      hubId: 'hub',
      bind: { host: '127.0.0.1', port: tlsPort },
      tlsNames: names,
      tlsAcmeEmail: 'admin@example.com',
      tlsAcmeDirectory: options.directory,
      tlsAcmeCaFile: options.caFile,
      tlsAcmeChallenges: options.challenges ?? ACME_SETTINGS.tlsAcmeChallenges.read('http-01,tls-alpn-01')!,
      tlsAcmeHttp: { host: '127.0.0.1', port: httpPort },
    },
    state: { store, sealer: new Sealer(keyring) },
    authorities: auth.authorities,
    alarm: (message) => alarms.push(message),
    audit: (draft) => audit.push(draft),
    failed: (code) => failures.push(code),
    logger,
    rules: options.rules ?? quickRules,
    ...(options.now && { now: options.now }),
  }))!
  const certificate = { from: 'acme', bind: '127.0.0.1', names } as const
  const tls = stack.use(await openTls({ certificate, authorities: auth.authorities, acme, logger }))
  const server = createServer({ ...tls.options }, (request, response) => {
    if (request.url === '/open') response.write('first ')
    else response.end(JSON.stringify({ who: request.socket.remotePort }))
  })
  endChallenges(server)
  const detach = tls.attach(server)
  server.listen(tlsPort, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(async () => {
    detach()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  await acme.begin(stack, tlsPort)
  const owned = stack.move()
  return {
    acme,
    tls,
    server,
    port: (server.address() as AddressInfo).port,
    alarms,
    audit,
    failures,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
