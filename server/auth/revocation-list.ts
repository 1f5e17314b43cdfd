import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  Extension,
  PemConverter,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509'
import { SIGNING_ALGORITHM } from './authority-keys.ts'
import type { Signer } from './issued-certificate.ts'
import type { RevocationReason } from './revocation-reasons.ts'

export interface Revocation {
  readonly serial: string
  /** Unix milliseconds. */
  readonly revoked_at: number
  readonly reason: RevocationReason
}

export interface RevocationList {
  readonly pem: string
  readonly der: Uint8Array
  /** When a holder of this list must fetch the next one, Unix milliseconds. */
  readonly next_update: number
}

const NEXT_UPDATE_MS = 24 * 3_600_000
const CRL_NUMBER = '2.5.29.20'

/** A CA's list of revoked certificates, RFC 5280 section 5. */
export async function signRevocationList(
  signer: Signer,
  revocations: readonly Revocation[],
  now: number,
): Promise<RevocationList> {
  const next_update = now + NEXT_UPDATE_MS
  const crl = await X509CrlGenerator.create({
    issuer: signer.certificate.subjectName,
    thisUpdate: new Date(now),
    nextUpdate: new Date(next_update),
    entries: revocations.map(({ serial, revoked_at, reason }) => ({
      serialNumber: serial,
      revocationDate: new Date(revoked_at),
      reason: X509CrlReason[reason],
    })),
    extensions: [
      await AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
      new Extension(CRL_NUMBER, false, derInteger(now)),
    ],
    signingAlgorithm: SIGNING_ALGORITHM,
    signingKey: signer.key,
  })
  return {
    pem: `${PemConverter.encode(crl.rawData, 'X509 CRL')}\n`,
    der: new Uint8Array(crl.rawData),
    next_update,
  }
}

/** A positive whole number in DER (X.690 section 8.3). CRL numbers are times, so that they grow on every hub. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const content = bytes[0]! >= 0x80 ? [0, ...bytes] : [...bytes]
  return Uint8Array.from([0x02, content.length, ...content])
}
