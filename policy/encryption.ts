import type { EncryptionChoice, TransportCapability } from '../common/wire/decision.ts'
import type { AesBits, Transport } from '../common/wire/ids.ts'

/** What a tenant demands of one class, hub defaults filled in. */
export interface EncryptionRules {
  readonly minAesBits: AesBits
  readonly forbidTransports: ReadonlySet<Transport>
  /** `srp` lets in only RIST senders that prove their identity and also know the passphrase. */
  readonly ristAuthentication: 'srp' | 'passphrase'
}

export type EncryptionAnswer =
  | { readonly met: true; readonly choice: EncryptionChoice }
  | { readonly met: false; readonly reason: string }

/**
 * Whether two ends that speak the same transport can encrypt as demanded, and how. Nothing is ever granted unencrypted,
 * except plain RTP that does not leave its machine.
 * @param samePlace both ends are one machine, joined by its loopback interface
 */
export function chooseEncryption(
  near: TransportCapability,
  far: TransportCapability,
  rules: EncryptionRules,
  samePlace = false,
): EncryptionAnswer {
  const { transport } = near
  if (transport !== far.transport) return unmet(`the ends speak ${transport} and ${far.transport}`)
  if (rules.forbidTransports.has(transport)) return unmet(`${transport} is forbidden by policy`)
  const aesBits: AesBits = near.aes_bits === 256 && far.aes_bits === 256 ? 256 : 128
  if (near.transport === 'rtp' && far.transport === 'rtp') return rtp(near, far, rules, aesBits, samePlace)
  if (aesBits < rules.minAesBits) return unmet(tooShort(transport, aesBits, rules))
  if (near.transport === 'rist' && far.transport === 'rist') return rist(near, far, rules, aesBits)
  if (transport === 'srt') {
    return met({ scheme: `SRT, AES-${aesBits} passphrase`, aes_bits: aesBits, authentication: 'passphrase' })
  }
  return met({ scheme: `DTLS-SRTP, AEAD_AES_${aesBits}_GCM`, aes_bits: aesBits, authentication: 'dtls' })
}

type Rist = Extract<TransportCapability, { transport: 'rist' }>
type Rtp = Extract<TransportCapability, { transport: 'rtp' }>

/** VSF TR-06-2: the simple profile has no encryption. In the main profile a PSK alone does not say who sends. */
function rist(near: Rist, far: Rist, rules: EncryptionRules, aesBits: AesBits): EncryptionAnswer {
  if (near.profile !== 'main' || far.profile !== 'main') return unmet('RIST simple profile can not encrypt')
  const srp = near.authentication === 'srp' && far.authentication === 'srp'
  if (!srp && rules.ristAuthentication === 'srp') return unmet('RIST without SRP is not authenticated')
  const [authentication, words] = srp ? (['srp', 'SRP'] as const) : (['passphrase', 'no SRP'] as const)
  return met({ scheme: `RIST main profile, AES-${aesBits} PSK, ${words}`, aes_bits: aesBits, authentication })
}

/** RFC 3711: RTP only as SRTP, with keys from DTLS (RFC 5764) or SDES over TLS (RFC 4568). */
function rtp(
  near: Rtp,
  far: Rtp,
  rules: EncryptionRules,
  aesBits: AesBits,
  samePlace: boolean,
): EncryptionAnswer {
  if (near.keying !== far.keying) return unmet(`SRTP keys by ${near.keying} and by ${far.keying} do not meet`)
  if (near.keying === 'none') {
    if (!samePlace) return unmet('plain RTP may not leave its machine')
    return met({ scheme: 'plain RTP on loopback', aes_bits: aesBits, authentication: 'loopback' })
  }
  if (aesBits < rules.minAesBits) return unmet(tooShort('rtp', aesBits, rules))
  const authentication = near.keying === 'dtls' ? 'dtls' : 'passphrase'
  const keys = near.keying === 'dtls' ? 'DTLS' : 'SDES'
  return met({ scheme: `SRTP, AES-${aesBits}, keys by ${keys}`, aes_bits: aesBits, authentication })
}

function tooShort(transport: Transport, aesBits: AesBits, rules: EncryptionRules): string {
  return `${transport} here reaches AES-${aesBits}, policy demands AES-${rules.minAesBits}`
}

function met(choice: EncryptionChoice): EncryptionAnswer {
  return { met: true, choice }
}

function unmet(reason: string): EncryptionAnswer {
  return { met: false, reason }
}
