import { isIP } from 'node:net'
import { CodedError } from '../../common/errors.ts'
import { isLoopback } from './loopback.ts'
import type { TLS_MODES } from './tls-settings.ts'
import { TLS_SETTINGS } from './tls-settings.ts'

/** The values of TLS_SETTINGS. */
export interface TlsConfig {
  readonly tls: (typeof TLS_MODES)[number]
  /** Empty: the hub's own CA makes a certificate. */
  readonly tlsCertFile: string
  readonly tlsKeyFile: string
  readonly tlsNames: readonly string[]
  /** Empty: no certificates of a public CA. */
  readonly tlsAcmeEmail: string
}

/** Where a listener's certificate comes from. */
export type CertificateSource =
  | { readonly from: 'files'; readonly certFile: string; readonly keyFile: string }
  /** The hub's own CA; `names` are the names and addresses that clients use. */
  | { readonly from: 'authority'; readonly bind: string; readonly names: readonly string[] }
  /** A public CA; the hub's own CA makes one until there is one. */
  | { readonly from: 'acme'; readonly bind: string; readonly names: readonly string[] }

export type TlsRequirement =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly certificate: CertificateSource }
  | { readonly kind: 'error'; readonly error: CodedError }

/** What a listener on `bind` (a host, without port) needs. Plain HTTP stays on loopback; nothing turns that off. */
export function tlsRequirement(bind: string, config: TlsConfig): TlsRequirement {
  const { tls, tlsCertFile: certFile, tlsKeyFile: keyFile, tlsNames: names, tlsAcmeEmail: email } = config
  const local = isLoopback(bind)
  if (tls === 'off' && !local)
    return problem(`${TLS_SETTINGS.tls.env}: off is allowed on loopback only, and ${bind} is not loopback`)
  if (certFile !== '' && keyFile === '')
    return problem(`${TLS_SETTINGS.tlsKeyFile.env}: needed with ${TLS_SETTINGS.tlsCertFile.env}`)
  if (keyFile !== '' && certFile === '')
    return problem(`${TLS_SETTINGS.tlsCertFile.env}: needed with ${TLS_SETTINGS.tlsKeyFile.env}`)
  if (email !== '') {
    const fault = acmeFault(bind, config)
    if (fault !== null) return problem(fault)
    return { kind: 'tls', certificate: { from: 'acme', bind, names } }
  }
  if (tls === 'off' || (tls === 'auto' && local)) return { kind: 'plain' }
  if (certFile !== '') return { kind: 'tls', certificate: { from: 'files', certFile, keyFile } }
  return { kind: 'tls', certificate: { from: 'authority', bind, names } }
}

/** Most names of one certificate. CAs take up to 100. */
const MOST_NAMES = 50

/** Why no public CA can make a certificate by this configuration; null if it can. */
function acmeFault(bind: string, { tls, tlsCertFile, tlsNames }: TlsConfig): string | null {
  const { env } = TLS_SETTINGS.tlsAcmeEmail
  if (tls === 'off' || (tls === 'auto' && isLoopback(bind)))
    return `${env}: needs the hub's own TLS, and ${bind} has none: give OVERLAY_BIND another address, or leave certificates to the proxy`
  if (tlsCertFile !== '')
    return `${env}: there is ${TLS_SETTINGS.tlsCertFile.env} already; leave one of them out`
  if (tlsNames.length === 0 || tlsNames.length > MOST_NAMES)
    return `${TLS_SETTINGS.tlsNames.env}: needed with ${env}: 1 to ${MOST_NAMES} host names that lead to this hub`
  const wrong = tlsNames.find((name) => !isPublicName(name))
  if (wrong !== undefined)
    return `${TLS_SETTINGS.tlsNames.env}: ${wrong} can't be in a certificate of ${env}: only whole host names such as video.example.com can`
  return null
}

/** Whether a CA can look at a name: no address, no wildcard (which needs DNS-01), not a name without a domain. */
function isPublicName(name: string): boolean {
  const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
  return isIP(name) === 0 && name.length <= 253 && new RegExp(`^(${label}\\.)+${label}$`).test(name)
}

function problem(detail: string): TlsRequirement {
  const error = new CodedError('bad_config', 'the configuration is not valid', { details: [detail] })
  return { kind: 'error', error }
}
