import { CodedError, messageOf } from '../../common/errors.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection, type Typed } from '../store/collection.ts'
import { Mirror, writePlanned } from '../store/mirror.ts'
import type { Change, DocumentPage } from '../store/store.ts'
import type { AuthContext } from './auth-context.ts'
import { refused } from './auth-errors.ts'
import {
  type BearerSecret,
  bearerText,
  hashSecret,
  newBearerSecret,
  parseBearer,
  randomId,
  secretMatches,
} from './bearer-secret.ts'
import { refuseEscalation } from './delegation.ts'
import { Jwts } from './jwt.ts'
import { type Actor, ALL_GRANTS, type AuthenticatedPrincipal, actorName, type Grants } from './principal.ts'
import type { SigningKeys } from './signing-keys.ts'
import {
  ownerOf,
  principalOf,
  type TokenInfo,
  type TokenRecord,
  type TokenRole,
  tenantOf,
  tokenInfo,
  tokenRecordSchema,
} from './token-record.ts'

const KIND = 'token'
const API_KEY_PREFIX = 'lc'
export const DEFAULT_MAX_TOKEN_SECONDS = 30 * 86_400
const LAST_USED_EVERY_MS = 60_000
/** How long a revoked or expired API key stays in the list, ms. */
const KEEP_MS = 30 * 86_400_000

export interface NewToken {
  readonly subject: string
  readonly role: TokenRole
  /** null for the role `admin`, and only for that role. */
  readonly tenant_id: string | null
  readonly node_id?: string | null
  /** No limits by default. */
  readonly grants?: Grants
  readonly label?: string
  /** The giver, who can't give more than the giver has. */
  readonly by: Actor
}

/** `token` is shown to its holder now and never again. */
export interface IssuedToken {
  readonly token: string
  readonly info: TokenInfo
}

export interface TokensOptions {
  /** Longest life of a JWT, seconds. */
  readonly maxSeconds?: number | undefined
}

/** The tokens that the hub gave out: JWTs and API keys. A revoked token is refused from then on. */
export class Tokens implements AsyncDisposable {
  readonly maxSeconds: number
  readonly #context: AuthContext
  readonly #keys: SigningKeys
  readonly #jwts: Jwts
  readonly #records: Mirror<TokenRecord>
  readonly #collection: Collection<TokenRecord>
  readonly #notes = new Set<Promise<void>>()
  /** When this hub last noted a key's use, so that a failed write is not repeated with each request. */
  readonly #noted = new Map<string, number>()

  private constructor(
    context: AuthContext,
    keys: SigningKeys,
    records: Mirror<TokenRecord>,
    options: TokensOptions,
  ) {
    this.#context = context
    this.#keys = keys
    this.#jwts = new Jwts(keys, context.now)
    this.#records = records
    this.#collection = new Collection(context.store, KIND, tokenRecordSchema)
    this.maxSeconds = options.maxSeconds ?? DEFAULT_MAX_TOKEN_SECONDS
  }

  static async open(context: AuthContext, keys: SigningKeys, options: TokensOptions = {}): Promise<Tokens> {
    const records = await Mirror.open({ ...context, kind: KIND, schema: tokenRecordSchema })
    return new Tokens(context, keys, records, options)
  }

  /**
   * @throws CodedError `token_lifetime` (400) when the lifetime is not from 1 to `maxSeconds`, `token_tenant` (400),
   * `delegation_refused` (403)
   */
  async issueJwt(wanted: NewToken, seconds: number): Promise<IssuedToken> {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > this.maxSeconds)
      throw new CodedError('token_lifetime', `a token lives 1 to ${this.maxSeconds} seconds`)
    const iat = Math.floor(this.#context.now() / 1000)
    const exp = iat + seconds
    const jti = randomId()
    const record = this.#record('jwt', wanted, exp * 1000, null)
    const token = await this.#jwts.sign({
      sub: wanted.subject,
      tenant: wanted.tenant_id,
      role: wanted.role,
      node: record.node_id,
      ...record.grants,
      iat,
      exp,
      jti,
    })
    return { token, info: await this.#add(jti, wanted, record) }
  }

  /** `lc_<id>_<secret>`, without an end, or until `expiresAt`, Unix milliseconds. @throws as issueJwt */
  async issueApiKey(wanted: NewToken, expiresAt: number | null = null): Promise<IssuedToken> {
    return await this.adoptApiKey(newBearerSecret(), wanted, expiresAt)
  }

  /** As `issueApiKey`, for an existing secret. `together` is written in the same transaction. */
  async adoptApiKey(
    bearer: BearerSecret,
    wanted: NewToken,
    expiresAt: number | null = null,
    together: readonly Change[] = [],
  ): Promise<IssuedToken> {
    if (expiresAt !== null && expiresAt <= this.#context.now())
      throw new CodedError('token_lifetime', 'the API key would be expired already')
    const record = this.#record('api-key', wanted, expiresAt, hashSecret(bearer.secret))
    const info = await this.#add(bearer.id, wanted, record, together)
    return { token: bearerText(API_KEY_PREFIX, bearer), info }
  }

  /** @throws CodedError `token_invalid`, `token_expired`, `token_revoked` (401) */
  authenticate(token: string): Promise<AuthenticatedPrincipal> {
    return token.startsWith(`${API_KEY_PREFIX}_`)
      ? this.#authenticateKey(token)
      : this.#authenticateJwt(token)
  }

  /** Whether a token that was good is still good. */
  isCurrent({ credential, token_id, expires_at }: AuthenticatedPrincipal): boolean {
    if (token_id === null || (expires_at !== null && expires_at <= this.#context.now())) return false
    const record = this.#records.get(token_id)
    return record ? record.value.revoked_at === null : credential === 'jwt'
  }

  isRevoked(tokenId: string): boolean {
    return typeof this.#records.get(tokenId)?.value.revoked_at === 'number'
  }

  onChange(listener: () => void): () => void {
    return this.#records.onChange(listener)
  }

  /** Tokens of a tenant (null: of the hub itself), in the order of their ids. */
  async list(tenantId: string | null, page?: DocumentPage): Promise<TokenInfo[]> {
    return (await this.#collection.list(ownerOf(tenantId), page)).map(tokenInfo)
  }

  async get(tenantId: string | null, tokenId: string): Promise<TokenInfo | undefined> {
    const record = await this.#records.find(tokenId)
    return record?.tenant_id === ownerOf(tenantId) ? tokenInfo(record) : undefined
  }

  /** Ends a token now. Revoking it again changes nothing. @throws CodedError `token_not_found` (404) */
  async revoke(tenantId: string | null, tokenId: string, by: Actor): Promise<TokenInfo> {
    const record = await this.#records.find(tokenId)
    if (record?.tenant_id !== ownerOf(tenantId))
      throw new CodedError('token_not_found', 'there is no such token')
    if (record.value.revoked_at === null) await this.#revoke([record], by)
    return tokenInfo(this.#records.get(tokenId) ?? record)
  }

  /** Revokes all tokens of a tenant's holder that `matches` accepts, e.g. a node. Returns their number. */
  async revokeAll(
    tenantId: string | null,
    matches: (token: TokenInfo) => boolean,
    by: Actor,
  ): Promise<number> {
    const owner = ownerOf(tenantId)
    const found = [...this.#records.values()].filter(
      (record) =>
        record.tenant_id === owner && record.value.revoked_at === null && matches(tokenInfo(record)),
    )
    for (let start = 0; start < found.length; start += 100)
      await this.#revoke(found.slice(start, start + 100), by)
    return found.length
  }

  /** See SigningKeys.rotate. Returns the new key's id. */
  async rotateSigningKey(by: Actor, compromised = false): Promise<string> {
    const audit = this.#audit(null, by, 'signing-key.rotate', 'signing-key:new', { compromised })
    return await this.#keys.rotate(this.maxSeconds * 1000, compromised, [audit])
  }

  /** Forgets expired JWTs, API keys a month after their end, and keys that no longer verify. */
  async prune(): Promise<void> {
    const now = this.#context.now()
    for (const { tenant_id, id, version, value } of [...this.#records.values()]) {
      if (now < forgettableAt(value)) continue
      await this.#records.delete(tenant_id, id, { expected_version: version }).catch(() => {})
    }
    for (const id of this.#noted.keys()) if (!this.#records.get(id)) this.#noted.delete(id)
    await this.#keys.prune()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#notes)
    await this.#records[Symbol.asyncDispose]()
  }

  async #authenticateJwt(token: string): Promise<AuthenticatedPrincipal> {
    const claims = await this.#jwts.verify(token)
    // A hub that has not heard of the token yet has no record. The signature is enough then.
    if (typeof this.#records.get(claims.jti)?.value.revoked_at === 'number') throw refused('token_revoked')
    return {
      id: claims.sub,
      role: claims.role,
      tenant_id: claims.tenant,
      node_id: claims.node,
      grants: { streams: claims.streams, actions: claims.actions },
      credential: 'jwt',
      token_id: claims.jti,
      expires_at: claims.exp * 1000,
    }
  }

  async #authenticateKey(token: string): Promise<AuthenticatedPrincipal> {
    const bearer = parseBearer(API_KEY_PREFIX, token)
    const record = bearer && (await this.#records.find(bearer.id))
    const matches = secretMatches(bearer?.secret ?? '', record?.value.secret_hash)
    if (!record || !matches) throw refused('token_invalid')
    const { revoked_at, expires_at } = record.value
    if (revoked_at !== null) throw refused('token_revoked')
    if (expires_at !== null && expires_at <= this.#context.now()) throw refused('token_expired')
    this.#noteUse(record)
    return principalOf(record)
  }

  /** Runs after the answer. The expected version guards the write: a key that is revoked meanwhile stays revoked. */
  #noteUse(record: Typed<TokenRecord>): void {
    const now = this.#context.now()
    const noted = Math.max(this.#noted.get(record.id) ?? 0, record.value.last_used_at ?? 0)
    if (now - noted < LAST_USED_EVERY_MS) return
    this.#noted.set(record.id, now)
    const { tenant_id, id, version, value } = record
    const note = this.#records
      .put(tenant_id, id, { ...value, last_used_at: now }, { expected_version: version })
      .catch((error: unknown) => {
        this.#context.logger.debug(
          { token_id: id, reason: messageOf(error) },
          'the use of a token could not be stored',
        )
      })
      .finally(() => this.#notes.delete(note))
    this.#notes.add(note)
  }

  #record(
    type: TokenRecord['type'],
    wanted: NewToken,
    expiresAt: number | null,
    hash: string | null,
  ): TokenRecord {
    if ((wanted.role === 'admin') !== (wanted.tenant_id === null))
      throw new CodedError('token_tenant', 'an admin belongs to no tenant, and everybody else to one')
    const grants = wanted.grants ?? ALL_GRANTS
    if (wanted.by !== 'hub') refuseEscalation(wanted.by, { ...wanted, grants })
    return tokenRecordSchema.parse({
      type,
      label: wanted.label ?? '',
      subject: wanted.subject,
      role: wanted.role,
      node_id: wanted.node_id ?? null,
      grants,
      issued_at: this.#context.now(),
      issued_by: actorName(wanted.by),
      expires_at: expiresAt,
      secret_hash: hash,
      last_used_at: null,
      revoked_at: null,
      revoked_by: null,
    })
  }

  async #add(
    id: string,
    wanted: NewToken,
    record: TokenRecord,
    together: readonly Change[] = [],
  ): Promise<TokenInfo> {
    const { type, subject, role, grants, expires_at } = record
    const detail = { type, subject, role, grants, expires_at }
    const audit = this.#audit(wanted.tenant_id, wanted.by, 'token.issue', `token:${id}`, detail)
    const plan = this.#records.planPut(ownerOf(wanted.tenant_id), id, record, 0)
    await writePlanned(this.#context.store, [plan], together, [audit])
    return tokenInfo(this.#records.get(id)!)
  }

  async #revoke(records: readonly Typed<TokenRecord>[], by: Actor): Promise<void> {
    const revoked_at = this.#context.now()
    // Without an expected version, so that a use noted at the same moment never undoes a revocation.
    const plans = records.map(({ tenant_id, id, value }) =>
      this.#records.planPut(tenant_id, id, { ...value, revoked_at, revoked_by: actorName(by) }),
    )
    const audit = records.map(({ tenant_id, id, value: { type, subject } }) =>
      this.#audit(tenantOf(tenant_id), by, 'token.revoke', `token:${id}`, { type, subject }),
    )
    await writePlanned(this.#context.store, plans, [], audit)
  }

  #audit(
    tenantId: string | null,
    by: Actor,
    action: string,
    object: string,
    detail: Record<string, unknown>,
  ): AuditDraft {
    const at = this.#context.now()
    return { tenant_id: ownerOf(tenantId), at, actor: actorName(by), action, object, outcome: 'done', detail }
  }
}

function forgettableAt({ type, expires_at, revoked_at }: TokenRecord): number {
  if (type === 'jwt') return expires_at ?? Number.POSITIVE_INFINITY
  return Math.min(expires_at ?? Number.POSITIVE_INFINITY, revoked_at ?? Number.POSITIVE_INFINITY) + KEEP_MS
}
