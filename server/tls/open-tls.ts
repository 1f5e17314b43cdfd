import { constants } from 'node:crypto'
import type { SecureContextOptions, Server, TlsOptions } from 'node:tls'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Authorities } from '../auth/authorities.ts'
import { FileIdentity } from './file-identity.ts'
import { IssuedIdentity } from './issued-identity.ts'
import type { ServerIdentity } from './server-identity.ts'
import { type CertificateSource, type TlsConfig, tlsRequirement } from './tls-requirement.ts'

export interface OpenTlsOptions {
  readonly certificate: CertificateSource
  readonly authorities: Authorities
  readonly logger: Logger
}

/** TLS for one listener or several. */
export interface Tls extends AsyncDisposable {
  /** For `https.createServer`. */
  readonly options: TlsOptions
  /** From now on keeps a server on the present certificate and CAs. Call the returned function to stop. */
  attach(server: Pick<Server, 'setSecureContext'>): () => void
}

/** The TLS of the hub's listener; null where plain HTTP will do. @throws CodedError `bad_config` naming the settings */
export async function tlsFor(
  config: TlsConfig & { readonly bind: { readonly host: string } },
  authorities: Authorities,
  logger: Logger,
): Promise<Tls | null> {
  const requirement = tlsRequirement(config.bind.host, config)
  if (requirement.kind === 'error') throw requirement.error
  if (requirement.kind === 'plain') return null
  return await openTls({ certificate: requirement.certificate, authorities, logger })
}

/**
 * TLS 1.2 and newer, with the operator's certificate or one of the hub's own CA. Clients may present a certificate. A
 * bad client certificate does not end the connection, so that the answer to the request can say what is wrong (see
 * NodeCertificates.authenticate). Without a certificate the client's token says who the client is.
 * @throws CodedError `bad_config` naming the settings
 */
export async function openTls({ certificate, authorities, logger }: OpenTlsOptions): Promise<Tls> {
  await using stack = new AsyncDisposableStack()
  const identity: ServerIdentity = stack.use(
    certificate.from === 'files'
      ? await FileIdentity.open({ ...certificate, logger })
      : await IssuedIdentity.open({ ...certificate, authorities, logger }),
  )
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
  stack.defer(identity.onChange(renew))
  stack.defer(authorities.onChange(renew))
  const owned = stack.move()
  return {
    get options() {
      return { ...contextOf(identity, authorities), requestCert: true, rejectUnauthorized: false }
    },
    attach(server) {
      attached.add(server)
      server.setSecureContext(contextOf(identity, authorities))
      return () => attached.delete(server)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
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
