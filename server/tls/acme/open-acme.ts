import { readFileSync } from 'node:fs'
import { CodedError, messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { AuditDraft } from '../../audit/audit-record.ts'
import type { Authorities } from '../../auth/authorities.ts'
import type { Config } from '../../config/config.ts'
import type { State } from '../../state.ts'
import { HUB_TENANT_ID } from '../../store/store.ts'
import { IssuedIdentity } from '../issued-identity.ts'
import { AcmeCertificates, type AcmeFailure } from './acme-certificates.ts'
import { AcmeRecords } from './acme-record.ts'
import type { AcmeRules } from './acme-schedule.ts'
import { ACME_SETTINGS } from './acme-settings.ts'
import { ChallengeAnswers } from './challenge-answers.ts'
import { ChallengeDoor } from './challenge-door.ts'

type AcmeConfig = Pick<
  Config,
  | 'hubId'
  | 'bind'
  | 'tlsNames'
  | 'tlsAcmeEmail'
  | 'tlsAcmeDirectory'
  | 'tlsAcmeCaFile'
  | 'tlsAcmeChallenges'
  | 'tlsAcmeHttp'
>

export interface OpenAcmeOptions {
  readonly config: AcmeConfig
  readonly state: Pick<State, 'store' | 'sealer'>
  readonly authorities: Authorities
  /** Raises and clears the alarm. */
  readonly alarm: (message: string | null) => void
  readonly audit: (draft: AuditDraft) => void
  readonly failed: (code: string) => void
  readonly logger: Logger
  readonly rules?: AcmeRules
  /** Unix milliseconds. */
  readonly now?: () => number
}

export interface Acme {
  /** TLS closes them, as the identity that it shows. */
  readonly certificates: AcmeCertificates
  readonly answers: ChallengeAnswers
  /** Call when the hub listens. `stack` closes port 80. */
  begin(stack: AsyncDisposableStack, httpsPort: number): Promise<void>
}

/** Certificates of a public CA; null where nobody asked for them. @throws CodedError `bad_config`, or of the store */
export async function openAcme(options: OpenAcmeOptions): Promise<Acme | null> {
  const { config, state, authorities, logger } = options
  if (config.tlsAcmeEmail === '') return null
  const answers = new ChallengeAnswers()
  let door: ChallengeDoor | null = null
  const { host } = config.bind
  const fallback = await IssuedIdentity.open({ authorities, bind: host, names: config.tlsNames, logger })
  const certificates = await AcmeCertificates.open({
    directory: config.tlsAcmeDirectory,
    email: config.tlsAcmeEmail,
    names: config.tlsNames,
    ca: readCa(config.tlsAcmeCaFile),
    records: new AcmeRecords(state.store, state.sealer, config.hubId),
    answers,
    ways: () => config.tlsAcmeChallenges.filter((way) => way !== 'http-01' || door?.port != null),
    fallback,
    report: (failure) => options.alarm(failure && alarmOf(failure)),
    tried(names, error) {
      if (error !== null) options.failed(error.code)
      options.audit({
        tenant_id: HUB_TENANT_ID,
        at: Date.now(),
        actor: 'hub',
        action: 'certificate.order',
        object: `certificate:${names[0]}`,
        outcome: error === null ? 'done' : 'failed',
        detail: { names, ...(error !== null && { code: error.code, reason: error.reason }) },
      })
    },
    logger,
    ...(options.rules && { rules: options.rules }),
    ...(options.now && { now: options.now }),
  })
  return {
    certificates,
    answers,
    async begin(stack, httpsPort) {
      if (config.tlsAcmeChallenges.includes('http-01'))
        door = stack.use(
          await ChallengeDoor.open({
            address: config.tlsAcmeHttp,
            answers,
            names: () => certificates.names,
            httpsPort: () => httpsPort,
            logger,
          }),
        )
      certificates.begin()
    },
  }
}

/** A single failure of a renewal is no alarm: there are weeks left, and the hub tries again within hours. */
function alarmOf({ names, reason, failures, expiresAt, nextTryAt }: AcmeFailure): string | null {
  if (expiresAt !== null && failures < 2) return null
  const has =
    expiresAt === null
      ? 'the hub shows a certificate of its own CA meanwhile'
      : `the certificate in use expires at ${new Date(expiresAt).toISOString()}`
  return `no certificate for ${names.join(', ')} after ${failures === 1 ? 'a try' : `${failures} tries`}: ${reason}; ${has}; next try at ${new Date(nextTryAt).toISOString()}`
}

function readCa(file: string): string | null {
  if (file === '') return null
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CodedError('bad_config', 'the configuration is not valid', {
      details: [`${ACME_SETTINGS.tlsAcmeCaFile.env}: ${messageOf(error)}`],
    })
  }
}
