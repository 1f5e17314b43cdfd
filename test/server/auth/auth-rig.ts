import { createLogger } from '../../../common/logger.ts'
import { type AuthOptions, openAuth } from '../../../server/auth/open-auth.ts'
import type { AuthenticatedPrincipal } from '../../../server/auth/principal.ts'
import { ephemeralKeyring, type Keyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'

export const logger = createLogger('fatal')

/** A clock that tests turn. */
export class Clock {
  ms = Date.now()
  now = () => this.ms
  pass(seconds: number): void {
    this.ms += seconds * 1000
  }
}

/** A whole auth on a store in memory, or on a given store. */
export async function authRig(options: Partial<AuthOptions> & { keyring?: Keyring; clock?: Clock } = {}) {
  const stack = new AsyncDisposableStack()
  const store: Store = options.store ?? stack.use(await openMemoryStore())
  const keyring = options.keyring ?? ephemeralKeyring()
  const clock = options.clock ?? new Clock()
  const auth = stack.use(
    await openAuth({
      store,
      sealer: new Sealer(keyring),
      dataFolder: null,
      now: clock.now,
      logger,
      ...options,
    }),
  )
  return {
    auth,
    store,
    keyring,
    clock,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Somebody with all grants in a tenant. */
export function someone(
  role: AuthenticatedPrincipal['role'],
  tenant_id: string | null = 'acme',
): AuthenticatedPrincipal {
  return {
    id: `the-${role}`,
    role,
    tenant_id,
    node_id: null,
    grants: { streams: ['*'], actions: ['*'] },
    credential: 'api-key',
    token_id: 'x',
    expires_at: null,
  }
}
