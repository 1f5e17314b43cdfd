import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { Typed } from '../store/collection.ts'
import { Mirror, writePlanned } from '../store/mirror.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { AuthContext } from './auth-context.ts'
import { generateKeys, KEY_ALGORITHM, type KeyPair } from './authority-keys.ts'
import { randomId } from './bearer-secret.ts'
import type { CertificateRequest, IssuedCertificate, Signer } from './issued-certificate.ts'

const KIND = 'certificate-authority'
const LIFETIME_MS = 10 * 365 * 86_400_000
/** Longest life of a certificate that a CA of the hub signs, ms. */
export const MAX_CERTIFICATE_MS = 90 * 86_400_000

const authoritySchema = z.strictObject({
  /** PEM, self-signed. */
  certificate: z.string(),
  /** PEM of the same key, signed by the previous CA; null for the first CA. */
  cross_certificate: z.string().nullable(),
  predecessor: z.string().nullable(),
  /** The private key, sealed PKCS#8 in base64. */
  sealed: z.string(),
  created_at: z.number().int(),
  /** Unix milliseconds; null while the CA signs. */
  trusted_until: z.number().int().nullable(),
})
type AuthorityDocument = z.infer<typeof authoritySchema>
type Stored = Typed<AuthorityDocument>

/**
 * The hub's own certificate authority. Its key is sealed in the store. After a rotation the new CA signs, and the
 * previous CA is trusted until everything that it signed has expired.
 */
export class Authorities implements AsyncDisposable {
  readonly #context: AuthContext
  readonly #documents: Mirror<AuthorityDocument>
  readonly #keys = new Map<string, Promise<CryptoKey>>()

  private constructor(context: AuthContext, documents: Mirror<AuthorityDocument>) {
    this.#context = context
    this.#documents = documents
  }

  /** Makes the first CA if there is none. @throws CodedError see Sealer.open */
  static async open(context: AuthContext): Promise<Authorities> {
    const documents = await Mirror.open({ ...context, kind: KIND, schema: authoritySchema })
    const authorities = new Authorities(context, documents)
    if (authorities.#newest() === undefined) {
      const [id, made] = await authorities.#make(undefined)
      await documents.put(HUB_TENANT_ID, id, made, { expected_version: 0 })
    }
    await authorities.#sealAnew()
    await authorities.#key(authorities.#current())
    return authorities
  }

  get currentId(): string {
    return this.#current().id
  }

  isTrusted(id: string): boolean {
    const until = this.#documents.get(id)?.value.trusted_until
    return until !== undefined && (until === null || until > this.#context.now())
  }

  get trustedIds(): string[] {
    return [...this.#documents.values()].map(({ id }) => id).filter((id) => this.isTrusted(id))
  }

  /** PEM of every trusted CA, newest first: for nodes, and for checking clients' certificates. */
  trusted(): string[] {
    return [...this.#documents.values()]
      .filter(({ id }) => this.isTrusted(id))
      .sort((a, b) => b.value.created_at - a.value.created_at)
      .map(({ value }) => value.certificate)
  }

  /** PEM certificates to send after one that the current CA signed, for clients that know only older CAs. */
  chain(): string[] {
    const chain: string[] = []
    for (let id: string | null = this.currentId; id !== null; ) {
      const value: AuthorityDocument | undefined = this.#documents.get(id)?.value
      const cross: string | null = value?.cross_certificate ?? null
      const predecessor: string | null = value?.predecessor ?? null
      if (cross === null || predecessor === null || !this.isTrusted(predecessor)) break
      chain.push(cross)
      id = predecessor
    }
    return chain
  }

  async issue(request: CertificateRequest): Promise<IssuedCertificate> {
    const { issuedCertificate, signLeaf } = await signing()
    const current = this.#current()
    const now = this.#context.now()
    const notAfter = Math.min(request.notAfter, now + MAX_CERTIFICATE_MS)
    const certificate = await signLeaf(await this.#signer(current), { ...request, notAfter }, now)
    return issuedCertificate(certificate, current.id)
  }

  /** Certificate and key of a trusted CA, to sign the CA's CRL. @throws CodedError `authority_not_found` (404) */
  async signer(id: string): Promise<Signer> {
    const document = this.#documents.get(id)
    if (!document || !this.isTrusted(id))
      throw new CodedError('authority_not_found', 'there is no such certificate authority')
    return await this.#signer(document)
  }

  /**
   * Signs with a new CA from now on. With `compromised` nothing that the other CAs signed is trusted any more: all
   * nodes must enrol again. Returns the new CA's id.
   */
  async rotate(compromised: boolean, audit: readonly AuditDraft[] = []): Promise<string> {
    const now = this.#context.now()
    const [id, made] = await this.#make(compromised ? undefined : this.#current())
    const others = [...this.#documents.values()].map((document) => {
      if (compromised) return this.#documents.planDelete(HUB_TENANT_ID, document.id, document.version)
      const trusted_until = document.value.trusted_until ?? now + MAX_CERTIFICATE_MS
      const value = { ...document.value, trusted_until }
      return this.#documents.planPut(HUB_TENANT_ID, document.id, value, document.version)
    })
    const plans = [this.#documents.planPut(HUB_TENANT_ID, id, made, 0), ...others]
    await writePlanned(this.#context.store, plans, [], audit)
    return id
  }

  /** Forgets CAs that are no longer trusted. */
  async prune(): Promise<void> {
    for (const { id, version } of [...this.#documents.values()])
      if (!this.isTrusted(id))
        await this.#documents.delete(HUB_TENANT_ID, id, { expected_version: version }).catch(() => {})
  }

  /** Called when a CA is new, gone or no longer trusted. Call the returned function to stop. */
  onChange(listener: () => void): () => void {
    return this.#documents.onChange(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#documents[Symbol.asyncDispose]()
  }

  #newest(): Stored | undefined {
    const signing = [...this.#documents.values()].filter(({ value }) => value.trusted_until === null)
    return signing.sort((a, b) => b.value.created_at - a.value.created_at || (a.id < b.id ? -1 : 1))[0]
  }

  #current(): Stored {
    const newest = this.#newest()
    if (newest) return newest
    throw new CodedError('authority_missing', 'there is no certificate authority to sign with', {
      details: ['restart the hub: it makes one'],
    })
  }

  async #make(predecessor: Stored | undefined): Promise<[id: string, document: AuthorityDocument]> {
    const { signAuthority } = await signing()
    const now = this.#context.now()
    const id = randomId()
    const keys = await generateKeys()
    const name = `Lanecast hub CA ${id}`
    const certificate = await signAuthority(name, keys, now + LIFETIME_MS, now)
    const cross =
      predecessor &&
      (await signAuthority(name, keys, now + MAX_CERTIFICATE_MS, now, await this.#signer(predecessor)))
    const document = {
      certificate: `${certificate.toString('pem')}\n`,
      cross_certificate: cross ? `${cross.toString('pem')}\n` : null,
      predecessor: predecessor?.id ?? null,
      sealed: this.#context.sealer.seal(await exportPrivate(keys), place(id)),
      created_at: now,
      trusted_until: null,
    }
    return [id, document]
  }

  async #signer(authority: Stored): Promise<Signer> {
    const [{ signerOf }, key] = await Promise.all([signing(), this.#key(authority)])
    return signerOf(authority.value.certificate, key)
  }

  #key({ id, value }: Stored): Promise<CryptoKey> {
    const present = this.#keys.get(id)
    if (present) return present
    const pkcs8 = Buffer.from(this.#context.sealer.open(value.sealed, place(id)), 'base64')
    const key = crypto.subtle.importKey('pkcs8', pkcs8, KEY_ALGORITHM, false, ['sign'])
    this.#keys.set(id, key)
    return key
  }

  /** Seals with the newest master key, so that older keys can be taken out of the ring. */
  async #sealAnew(): Promise<void> {
    const { sealer } = this.#context
    for (const { id, version, value } of [...this.#documents.values()]) {
      if (!sealer.isStale(value.sealed)) continue
      const sealed = sealer.seal(sealer.open(value.sealed, place(id)), place(id))
      await this.#documents.put(HUB_TENANT_ID, id, { ...value, sealed }, { expected_version: version })
    }
  }
}

/** Loaded where something is to be signed: the libraries of X.509 are a tenth of what a hub would load at its start. */
const signing = () => import('./issued-certificate.ts')

async function exportPrivate(keys: KeyPair): Promise<string> {
  return Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
}

function place(id: string) {
  return { kind: KIND, tenant_id: HUB_TENANT_ID, id, field: 'private_key' }
}
