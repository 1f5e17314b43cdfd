import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { trustAuthorities } from '../../agent/node/trust-authorities.ts'
import type { TestHub } from './hub.ts'

/**
 * Lets this process know the CA of a hub that it started itself, as an operator's machine would.
 * @returns the CA, PEM
 */
export async function trustHub({ url }: TestHub): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const issuer = socket.getPeerCertificate(true).issuerCertificate.raw
  socket.destroy()
  const pem = `-----BEGIN CERTIFICATE-----\n${issuer.toString('base64')}\n-----END CERTIFICATE-----\n`
  trustAuthorities([pem])
  return pem
}

/** The environment of a program that knows the CA of a hub that the test started itself. */
export async function trustingHub(hub: TestHub): Promise<{ readonly NODE_EXTRA_CA_CERTS: string }> {
  const file = join(await mkdtemp(join(tmpdir(), 'lanecast-authority-')), 'authority.pem')
  await writeFile(file, await trustHub(hub))
  return { NODE_EXTRA_CA_CERTS: file }
}
