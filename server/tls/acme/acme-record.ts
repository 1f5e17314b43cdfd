import { z } from 'zod'
import { Collection } from '../../store/collection.ts'
import type { Sealer } from '../../store/sealing.ts'
import { HUB_TENANT_ID, type Store } from '../../store/store.ts'

/** One document for each hub of a database. */
const KIND = 'acme'

const storedSchema = z.strictObject({
  directory: z.string(),
  /** null before the first account. */
  account: z
    .strictObject({ sealed_key: z.string(), url: z.string().nullable(), email: z.string() })
    .nullable(),
  certificate: z
    .strictObject({
      names: z.array(z.string()),
      /** PEM: the certificate and its chain. */
      chain: z.string(),
      sealed_key: z.string(),
      not_before: z.number().int(),
      not_after: z.number().int(),
      renew_at: z.number().int(),
    })
    .nullable(),
  /** When orders were placed, oldest first. */
  orders: z.array(z.number().int()).max(100),
  /** Failures since the last success. */
  failures: z.number().int().nonnegative(),
  retry_at: z.number().int().nullable(),
  last_failure: z.string().nullable(),
})
type Stored = z.infer<typeof storedSchema>

export interface AcmeAccount {
  /** PEM, PKCS #8. */
  readonly key: string
  /** null until the CA knows the account. */
  readonly url: string | null
  readonly email: string
}

export interface AcmeCertificate {
  readonly names: readonly string[]
  /** PEM: the certificate and its chain. */
  readonly chain: string
  /** PEM, PKCS #8. */
  readonly key: string
  /** Unix milliseconds, as are the next two. */
  readonly notBefore: number
  readonly notAfter: number
  readonly renewAt: number
}

/** What the hub must not forget between two orders. Times in Unix milliseconds. */
export interface AcmeRecord {
  /** The URL of the CA that knows the account and signed the certificate. */
  readonly directory: string
  readonly account: AcmeAccount | null
  readonly certificate: AcmeCertificate | null
  readonly orders: readonly number[]
  readonly failures: number
  readonly retryAt: number | null
  readonly lastFailure: string | null
}

/** Keeps the record in the store, with sealed keys. */
export class AcmeRecords {
  readonly #documents: Collection<Stored>
  readonly #sealer: Sealer
  readonly #hubId: string

  constructor(store: Pick<Store, 'get' | 'list' | 'write'>, sealer: Sealer, hubId: string) {
    this.#documents = new Collection(store, KIND, storedSchema)
    this.#sealer = sealer
    this.#hubId = hubId
  }

  /**
   * The record for this CA. Of another CA only the times of orders stay: its account and certificate are of no use here.
   * @throws CodedError of the store and of Sealer.open
   */
  async read(directory: string): Promise<AcmeRecord> {
    const empty = {
      directory,
      account: null,
      certificate: null,
      failures: 0,
      retryAt: null,
      lastFailure: null,
    }
    const stored = (await this.#documents.get(HUB_TENANT_ID, this.#hubId))?.value
    if (!stored) return { ...empty, orders: [] }
    if (stored.directory !== directory) return { ...empty, orders: stored.orders }
    const { account, certificate } = stored
    return {
      directory,
      account: account && {
        key: this.#open(account.sealed_key, 'account'),
        url: account.url,
        email: account.email,
      },
      certificate: certificate && {
        names: certificate.names,
        chain: certificate.chain,
        key: this.#open(certificate.sealed_key, 'certificate'),
        notBefore: certificate.not_before,
        notAfter: certificate.not_after,
        renewAt: certificate.renew_at,
      },
      orders: stored.orders,
      failures: stored.failures,
      retryAt: stored.retry_at,
      lastFailure: stored.last_failure,
    }
  }

  /** Resolves when the record is safe. @throws CodedError of the store */
  async write({ account, certificate, ...record }: AcmeRecord): Promise<void> {
    await this.#documents.put(HUB_TENANT_ID, this.#hubId, {
      directory: record.directory,
      account: account && {
        sealed_key: this.#seal(account.key, 'account'),
        url: account.url,
        email: account.email,
      },
      certificate: certificate && {
        names: [...certificate.names],
        chain: certificate.chain,
        sealed_key: this.#seal(certificate.key, 'certificate'),
        not_before: certificate.notBefore,
        not_after: certificate.notAfter,
        renew_at: certificate.renewAt,
      },
      orders: [...record.orders],
      failures: record.failures,
      retry_at: record.retryAt,
      last_failure: record.lastFailure,
    })
  }

  #seal(secret: string, field: string): string {
    return this.#sealer.seal(secret, this.#place(field))
  }

  #open(sealed: string, field: string): string {
    return this.#sealer.open(sealed, this.#place(field))
  }

  #place(field: string) {
    return { kind: KIND, tenant_id: HUB_TENANT_ID, id: this.#hubId, field }
  }
}
