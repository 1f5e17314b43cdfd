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
}

/** Where a listener's certificate comes from. */
export type CertificateSource =
  | { readonly from: 'files'; readonly certFile: string; readonly keyFile: string }
  /** The hub's own CA; `names` are the names and addresses that clients use. */
  | { readonly from: 'authority'; readonly bind: string; readonly names: readonly string[] }

export type TlsRequirement =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly certificate: CertificateSource }
  | { readonly kind: 'error'; readonly error: CodedError }

/** What a listener on `bind` (a host, without port) needs. Plain HTTP stays on loopback; nothing turns that off. */
export function tlsRequirement(bind: string, config: TlsConfig): TlsRequirement {
  const { tls, tlsCertFile: certFile, tlsKeyFile: keyFile, tlsNames: names } = config
  const local = isLoopback(bind)
  if (tls === 'off' && !local)
    return problem(`${TLS_SETTINGS.tls.env}: off is allowed on loopback only, and ${bind} is not loopback`)
  if (certFile !== '' && keyFile === '')
    return problem(`${TLS_SETTINGS.tlsKeyFile.env}: needed with ${TLS_SETTINGS.tlsCertFile.env}`)
  if (keyFile !== '' && certFile === '')
    return problem(`${TLS_SETTINGS.tlsCertFile.env}: needed with ${TLS_SETTINGS.tlsKeyFile.env}`)
  if (tls === 'off' || (tls === 'auto' && local)) return { kind: 'plain' }
  if (certFile !== '') return { kind: 'tls', certificate: { from: 'files', certFile, keyFile } }
  return { kind: 'tls', certificate: { from: 'authority', bind, names } }
}

function problem(detail: string): TlsRequirement {
  const error = new CodedError('bad_config', 'the configuration is not valid', { details: [detail] })
  return { kind: 'error', error }
}
