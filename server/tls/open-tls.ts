import { constants } from 'node:crypto'
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Authorities } from '../auth/authorities.ts'
import type { PreparedChange, Reloadable } from '../config/config-reload.ts'
import { challengeAlpn } from './acme/challenge-alpn.ts'
import type { Acme } from './acme/open-acme.ts'
import { FileIdentity } from './file-identity.ts'
import { IssuedIdentity } from './issued-identity.ts'
import type { Identity, ServerIdentity } from './server-identity.ts'
import { type CertificateSource, type TlsConfig, tlsRequirement } from './tls-requirement.ts'

export interface OpenTlsOptions {
  readonly certificate: CertificateSource
  readonly authorities: Authorities
  /** For certificates of a public CA. */
  readonly acme?: Pick<Acme, 'certificates' | 'answers'> | null
  readonly logger: Logger
}

/** TLS for one listener or several. */
export interface Tls extends AsyncDisposable {
  /** For `https.createServer`. */
  readonly options: TlsOptions
  /** The certificate in use. */
  readonly current: Identity
  /** From now on keeps a server on the present certificate and CAs. Call the returned function to stop. */
  attach(server: Pick<Server, 'setSecureContext'>): () => void
  /**
   * Gets another certificate ready. Files are read again even if their names are the same.
   * @throws CodedError `bad_config` naming the settings
   */
  prepare(certificate: CertificateSource): Promise<PreparedChange>
}

/** The TLS of the hub's listener; null where plain HTTP will do. @throws CodedError `bad_config` naming the settings */
export async function tlsFor(
  config: BoundTls,
  authorities: Authorities,
  acme: Pick<Acme, 'certificates' | 'answers'> | null,
  logger: Logger,
): Promise<Tls | null> {
  const certificate = certificateFor(config)
  return certificate && (await openTls({ certificate, authorities, acme, logger }))
}

/** The settings of the certificate, for a listener that shows one. */
export function reloadableTls(tls: Tls): Reloadable {
  return {
    settings: ['tlsCertFile', 'tlsKeyFile', 'tlsNames'],
    async prepare(next) {
      const certificate = certificateFor(next)
      return certificate ? await tls.prepare(certificate) : { changes: false, commit() {} }
    },
  }
}

type BoundTls = TlsConfig & { readonly bind: { readonly host: string } }

function certificateFor(config: BoundTls): CertificateSource | null {
  const requirement = tlsRequirement(config.bind.host, config)
  if (requirement.kind === 'error') throw requirement.error
  return requirement.kind === 'plain' ? null : requirement.certificate
}

/**
 * TLS 1.2 and newer, with the operator's certificate or one of the hub's own CA. Clients may present a certificate. A
 * bad client certificate does not end the connection, so that the answer to the request can say what is wrong (see
 * NodeCertificates.authenticate). Without a certificate the client's token says who the client is.
 * @throws CodedError `bad_config` naming the settings
 */
export async function openTls({ certificate, authorities, acme, logger }: OpenTlsOptions): Promise<Tls> {
  const open = async (source: CertificateSource): Promise<ServerIdentity> => {
    if (source.from === 'files') return await FileIdentity.open({ ...source, logger })
    if (source.from === 'authority') return await IssuedIdentity.open({ ...source, authorities, logger })
    return acme!.certificates
  }
  let source = certificate
  let identity = await open(source)
  const attached = new Set<Pick<Server, 'setSecureContext'>>()
  const renew = () => {
    try {
      const context = contextOf(identity, authorities)
      for (const server of attached) server.setSecureContext(context)
    } catch (error) {
      logger.error(
        { reason: messageOf(error) },
        'the changed TLS certificate is not usable; the one before it stays',
      )
    }
  }
  identity.onChange(renew)
  const unlisten = authorities.onChange(renew)
  return {
    get options() {
      return {
        ...contextOf(identity, authorities),
        ...(acme && challengeAlpn(acme.answers)),
        requestCert: true,
        rejectUnauthorized: false,
      }
    },
    get current() {
      return identity.current
    },
    attach(server) {
      attached.add(server)
      server.setSecureContext(contextOf(identity, authorities))
      return () => attached.delete(server)
    },
    async prepare(next) {
      const isSame = isDeepStrictEqual(next, source)
      if (isSame && next.from !== 'files') return { changes: false, commit() {} }
      // The settings of a public CA are fixed: only the names can differ.
      if (next.from === 'acme')
        return {
          changes: true,
          says: { certificate: 'acme', names: next.names },
          commit() {
            source = next
            acme!.certificates.rename(next.names)
          },
        }
      let other = await open(next)
      return {
        changes: !(isSame && isDeepStrictEqual(other.current, identity.current)),
        says: { certificate: next.from },
        commit() {
          source = next
          // Whichever identity is not in use is disposed of.
          ;[identity, other] = [other, identity]
          identity.onChange(renew)
          renew()
        },
        [Symbol.asyncDispose]: () => other[Symbol.asyncDispose](),
      }
    },
    async [Symbol.asyncDispose]() {
      unlisten()
      await identity[Symbol.asyncDispose]()
    },
  }
}

function contextOf({ current }: ServerIdentity, authorities: Authorities): SecureContextOptions {
  return {
    cert: current.certificate,
    key: current.key,
    /** Client certificates are accepted from these CAs alone, not from the system's CAs. */
    ca: authorities.trusted(),
    minVersion: 'TLSv1.2',
    // A client keeps the identity with which the connection began.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }
}
