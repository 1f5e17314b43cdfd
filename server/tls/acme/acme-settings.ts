import { type Setting, socketAddress } from '../../config/setting.ts'
import { CHALLENGE_TYPES, type ChallengeType } from './challenge-answers.ts'

type Names = Pick<Setting<unknown>, 'env' | 'flag' | 'key' | 'help' | 'default'>

/** How the hub gets certificates of a public CA. These settings are in the table `tls` of the config file. */
export const ACME_SETTINGS = {
  tlsAcmeEmail: emailAddress({
    env: 'TLS_ACME_EMAIL',
    flag: 'tls-acme-email',
    key: 'tls.acme_email',
    default: '',
    help: "orders certificates for --tls-names from a public CA, and renews them; the CA writes to this address; to give it is to agree to the CA's terms of service",
  }),
  tlsAcmeDirectory: httpsUrl({
    env: 'TLS_ACME_DIRECTORY',
    flag: 'tls-acme-directory',
    key: 'tls.acme_directory',
    default: 'https://acme-v02.api.letsencrypt.org/directory',
    help: 'directory of the ACME server (RFC 8555) of that CA',
  }),
  tlsAcmeCaFile: path({
    env: 'TLS_ACME_CA_FILE',
    flag: 'tls-acme-ca-file',
    key: 'tls.acme_ca_file',
    default: '',
    help: 'PEM certificates by which to know the ACME server itself, where it is a private one',
  }),
  tlsAcmeChallenges: challenges({
    env: 'TLS_ACME_CHALLENGES',
    flag: 'tls-acme-challenges',
    key: 'tls.acme_challenges',
    default: 'http-01,tls-alpn-01',
    help: 'ways to show the CA that the names are ours, in the order to try; http-01 needs port 80, tls-alpn-01 port 443',
  }),
  tlsAcmeHttp: socketAddress({
    env: 'TLS_ACME_HTTP',
    flag: 'tls-acme-http',
    key: 'tls.acme_http',
    default: '0.0.0.0:80',
    help: 'where http-01 is answered; whatever else asks there for the names of the hub is led on to https',
  }),
} as const

function emailAddress(about: Names): Setting<string> {
  return {
    ...about,
    allowed: 'an e-mail address',
    read: (raw) =>
      typeof raw === 'string' && (raw === '' || /^[^\s@?,<>"]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(raw))
        ? raw
        : undefined,
  }
}

function httpsUrl(about: Names): Setting<string> {
  return {
    ...about,
    allowed: 'an https URL without user, password or fragment',
    read: (raw) => {
      if (typeof raw !== 'string' || raw.length > 1000 || !URL.canParse(raw)) return undefined
      const { protocol, username, password, hash } = new URL(raw)
      return protocol === 'https:' && username === '' && password === '' && hash === '' ? raw : undefined
    },
  }
}

function path(about: Names): Setting<string> {
  return {
    ...about,
    allowed: 'the path of a file',
    read: (raw) => (typeof raw === 'string' && raw.length <= 1000 && !raw.includes('\0') ? raw : undefined),
  }
}

function challenges(about: Names): Setting<readonly ChallengeType[]> {
  return {
    ...about,
    allowed: CHALLENGE_TYPES.join(', '),
    read: (raw) => {
      const given: unknown = typeof raw === 'string' ? raw.split(',').map((each) => each.trim()) : raw
      if (!Array.isArray(given) || given.length === 0) return undefined
      const known = given.flatMap((each) => CHALLENGE_TYPES.find((type) => type === each) ?? [])
      return known.length === given.length && new Set(known).size === known.length ? known : undefined
    },
  }
}
