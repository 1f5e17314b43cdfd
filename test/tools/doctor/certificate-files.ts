import 'reflect-metadata'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import { generateKeys, SIGNING_ALGORITHM } from '../../../server/auth/authority-keys.ts'

export interface CertificateWish {
  readonly names?: readonly string[]
  /** Days from now. */
  readonly from?: number
  readonly until?: number
}

/** A certificate that signs itself, in files. */
export async function certificateFiles(
  folder: string,
  { names = ['hub.example.com'], from = -1, until = 90 }: CertificateWish,
) {
  const keys = await generateKeys()
  const days = (count: number) => new Date(Date.now() + count * 86_400_000)
  const made = await X509CertificateGenerator.createSelfSigned({
    ...{
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      name: 'CN=test',
      notBefore: days(from),
      notAfter: days(until),
    },
    extensions: [
      new SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: 'dns' as const, value })),
        { type: 'ip' as const, value: '127.0.0.1' },
      ]),
    ],
  })
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`
  const cert = `${made.toString('pem')}\n`
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)])
  return { cert, key, certFile, keyFile }
}
