import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { connect, createSecureContext, rootCertificates } from 'node:tls'
import { messageOf } from '../../../common/errors.ts'
import { SETTINGS } from '../../../server/config/settings.ts'
import { isLoopback } from '../../../server/tls/loopback.ts'
import { tlsRequirement } from '../../../server/tls/tls-requirement.ts'
import {
  type Check,
  type DoctorContext,
  type Finding,
  fault,
  fine,
  named,
  unknown,
  warning,
} from '../check.ts'

const WAIT_MS = 4000
const DAY_MS = 86_400_000
/** With fewer days left somebody should look. */
const WARN_DAYS = 14

/** Whether browsers take the hub's certificate: its chain, its names, its days. */
export const certificate: Check = {
  name: 'certificate',
  async run(context) {
    const { config, hubRuns } = context
    const requirement = tlsRequirement(config.bind.host, config)
    if (requirement.kind !== 'tls')
      return [fine(named(SETTINGS.tls), 'HTTP is plain, on loopback: a proxy in front has the certificate')]
    const { from } = requirement.certificate
    if (from === 'files') return inFiles(config.tlsCertFile, config.tlsKeyFile, config.tlsNames)
    if (from === 'authority')
      return isLoopback(config.bind.host)
        ? [fine(named(SETTINGS.tls), "the hub's own CA makes the certificate")]
        : [
            warning(
              named(SETTINGS.tlsAcmeEmail),
              "the certificate is of the hub's own CA, which nodes know and browsers don't",
              `set ${named(SETTINGS.tlsAcmeEmail)} and ${named(SETTINGS.tlsNames)}, or ${named(SETTINGS.tlsCertFile)} and ${named(SETTINGS.tlsKeyFile)}`,
            ),
          ]
    if (!hubRuns)
      return [
        unknown(
          named(SETTINGS.tlsAcmeEmail),
          'the hub does not run: start it, and it orders the certificate',
        ),
      ]
    return await Promise.all(config.tlsNames.map((name) => shown(context, name)))
  },
}

function inFiles(certFile: string, keyFile: string, names: readonly string[]): Finding[] {
  let leaf: X509Certificate
  try {
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
    createSecureContext({ cert, key })
    leaf = new X509Certificate(cert)
  } catch (error) {
    return [
      fault(
        `${certFile}, ${keyFile}`,
        `the certificate or its key can't be used: ${messageOf(error)}`,
        `let ${named(SETTINGS.tlsCertFile)} name a PEM certificate with its chain, and ${named(SETTINGS.tlsKeyFile)} its private key, both readable by the hub`,
      ),
    ]
  }
  const change = `put a new certificate in ${certFile}: the hub reads it again by itself`
  return [...judged(leaf, certFile, change), ...namesOf(leaf, names, certFile, change)]
}

/** Its days. */
function judged(leaf: X509Certificate, where: string, change: string): Finding[] {
  const now = Date.now()
  const days = Math.floor((Date.parse(leaf.validTo) - now) / DAY_MS)
  if (Date.parse(leaf.validFrom) > now)
    return [fault(where, `it is not valid before ${leaf.validFrom}`, `set the machine's clock, or ${change}`)]
  if (days < 0) return [fault(where, `it expired on ${leaf.validTo}`, change)]
  if (days < WARN_DAYS) return [warning(where, `it expires in ${days} days`, change)]
  return [fine(where, `it is valid for ${days} days`)]
}

function namesOf(leaf: X509Certificate, names: readonly string[], where: string, change: string): Finding[] {
  const missing = names.filter(
    (name) => (isIP(name) ? leaf.checkIP(name) : leaf.checkHost(name)) === undefined,
  )
  if (missing.length === 0) return []
  return [
    fault(
      where,
      `it is for ${leaf.subjectAltName ?? leaf.subject}, and not for ${missing.join(', ')}`,
      change,
    ),
  ]
}

/** The certificate that the running hub shows at a name. */
async function shown({ config }: DoctorContext, name: string): Promise<Finding> {
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[config.bind.host] ?? config.bind.host
  const { port } = config.bind
  const ca = config.tlsAcmeCaFile === '' ? [] : [readFileSync(config.tlsAcmeCaFile, 'utf8')]
  const socket = connect({
    ...{ host, port, servername: name, rejectUnauthorized: false },
    ca: [...rootCertificates, ...ca],
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(WAIT_MS) })
    const leaf = socket.getPeerX509Certificate()!
    const change = 'look at the alarm certificate_renewal_failing (GET /v1/alarms), which says what to do'
    const [days] = judged(leaf, name, change)
    if (days?.severity !== 'fine') return days!
    const [wrong] = namesOf(leaf, [name], name, change)
    if (wrong) return wrong
    const of = leaf.issuer.replaceAll('\n', ', ')
    if (!socket.authorized)
      return warning(
        name,
        `browsers don't know who made the certificate (${of}): ${String(socket.authorizationError)}`,
        change,
      )
    return fine(name, `${days.what}, made by ${of}`)
  } catch (error) {
    return unknown(name, `the hub's certificate could not be seen at ${host}:${port}: ${messageOf(error)}`)
  } finally {
    socket.destroy()
  }
}
