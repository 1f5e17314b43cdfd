import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { CodedError } from '../../common/errors.ts'
import { documentName } from './document-key.ts'
import type { Keyring } from './keyring.ts'
import type { DocumentKey } from './store.ts'

/** The place of a sealed value. The value opens nowhere else. */
export interface SealedPlace extends DocumentKey {
  /** The name of the value, for a document with several sealed values. */
  readonly field?: string | undefined
}

const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D section 8.2.2: random, 96 bits. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const FORM = /^sealed:1:([A-Za-z0-9_-]{1,32}):([A-Za-z0-9_-]+)$/

/**
 * Seals secrets with AES-256-GCM before they go to the database. A sealed value is text, `sealed:1:<key id>:<nonce,
 * cipher text and tag in base64url>`, bound to its place: moved to another place, it does not open.
 */
export class Sealer {
  readonly #keyring: Keyring

  constructor(keyring: Keyring) {
    this.#keyring = keyring
  }

  seal(secret: string, place: SealedPlace): string {
    const id = this.#keyring.currentId
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key(id, place), nonce).setAAD(associated(id, place))
    const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
    return `sealed:1:${id}:${Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64url')}`
  }

  /**
   * @throws CodedError `sealing_key_missing` when the key is not in the ring; `sealed_value_invalid` when the value was
   * changed, belongs elsewhere, or is no sealed value. Both name the place and never the value.
   */
  open(sealed: string, place: SealedPlace): string {
    const [, id, body] = FORM.exec(sealed) ?? []
    const bytes = Buffer.from(body ?? '', 'base64url')
    if (id === undefined || bytes.length < NONCE_BYTES + TAG_BYTES)
      throw invalid(place, 'it is no sealed value')
    try {
      const decipher = createDecipheriv(CIPHER, this.#key(id, place), bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(associated(id, place)).setAuthTag(bytes.subarray(-TAG_BYTES))
      return (
        decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      )
    } catch (error) {
      if (error instanceof CodedError) throw error
      throw invalid(place, 'it was changed, or sealed for another place')
    }
  }

  /** Whether to seal the value again, because an older key sealed it. */
  isStale(sealed: string): boolean {
    return FORM.exec(sealed)?.[1] !== this.#keyring.currentId
  }

  #key(id: string, place: SealedPlace): Uint8Array {
    const key = this.#keyring.derive(id, 'sealing')
    if (key) return key
    throw new CodedError('sealing_key_missing', `${placeName(place)} is sealed with the key "${id}"`, {
      details: [
        `keys at hand: ${this.#keyring.ids.join(', ')}`,
        'put the master keys back that were in use when it was written, or set the secret anew',
      ],
    })
  }
}

function associated(keyId: string, { kind, tenant_id, id, field = '' }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([keyId, kind, tenant_id, id, field]))
}

function placeName(place: SealedPlace): string {
  return place.field ? `${place.field} of ${documentName(place)}` : documentName(place)
}

function invalid(place: SealedPlace, what: string): CodedError {
  return new CodedError('sealed_value_invalid', `${placeName(place)} can't be opened: ${what}`)
}
