import type { Setting } from '../config/setting.ts'
import { oneOf } from '../config/setting.ts'
import { ACME_SETTINGS } from './acme/acme-settings.ts'

export const TLS_MODES = ['auto', 'on', 'off'] as const

/** How the hub's own HTTP is protected. These settings are in the table `tls` of the config file. */
export const TLS_SETTINGS = {
  tls: oneOf(
    {
      env: 'TLS',
      flag: 'tls',
      key: 'tls.mode',
      default: 'auto',
      help: 'TLS on what listens; auto: on everything but loopback; off is for loopback only',
    },
    TLS_MODES,
  ),
  tlsCertFile: path({
    env: 'TLS_CERT_FILE',
    flag: 'tls-cert-file',
    key: 'tls.cert_file',
    default: '',
    help: "PEM certificate with its chain; read again when it changes; without it the hub's own CA makes one",
  }),
  tlsKeyFile: path({
    env: 'TLS_KEY_FILE',
    flag: 'tls-key-file',
    key: 'tls.key_file',
    default: '',
    help: 'PEM private key of that certificate',
  }),
  tlsNames: names({
    env: 'TLS_NAMES',
    flag: 'tls-names',
    key: 'tls.names',
    default: '',
    help: "names and addresses that clients use for this hub, with commas between, for the certificate that the hub's own CA or a public CA makes",
  }),
  ...ACME_SETTINGS,
} as const

type Names = Pick<Setting<unknown>, 'env' | 'flag' | 'key' | 'help' | 'default'>

function path(about: Names): Setting<string> {
  return {
    ...about,
    allowed: 'the path of a file',
    read: (raw) => (typeof raw === 'string' && !raw.includes('\0') ? raw : undefined),
  }
}

function names(about: Names): Setting<readonly string[]> {
  return {
    ...about,
    allowed: 'host names and IP addresses, at most 50, without ports',
    read: (raw) => {
      const list = typeof raw === 'string' ? raw.split(',') : raw
      if (!Array.isArray(list)) return undefined
      const found = list
        .map((name: unknown) => (typeof name === 'string' ? name.trim() : ' '))
        .filter(Boolean)
      return found.length <= 50 && found.every((name) => /^(\*\.)?[A-Za-z0-9.:_-]{1,253}$/.test(name))
        ? found
        : undefined
    },
  }
}
