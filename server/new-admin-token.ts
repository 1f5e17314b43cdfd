import type { Logger } from '../common/logger.ts'
import { type FirstAdminToken, newAdminToken } from './auth/admin-token.ts'
import { openAuth } from './auth/open-auth.ts'
import type { TokenInfo } from './auth/token-record.ts'
import type { Config } from './config/config.ts'
import { openState } from './state.ts'

/**
 * Makes an API key of the hub's admin, for people who lost theirs and can start the hub: whoever can read its database
 * and keys needs no other proof. On SQLite the hub must be stopped, because a running hub would not hear of the key.
 * @param revokeOthers ends all other tokens of the hub's admins
 * @throws CodedError `data_folder_in_use`, `admin_token_unwritable`, and what opening the state throws
 */
export async function makeAdminToken(
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
  revokeOthers: boolean,
): Promise<FirstAdminToken> {
  await using state = await openState(config, env, logger, 'beside')
  const { store, sealer, dataFolder } = state
  await using auth = await openAuth({ store, sealer, dataFolder, logger })
  const made = auth.firstAdminToken ?? (await newAdminToken(auth.tokens, dataFolder))
  if (revokeOthers) {
    const own = await auth.authenticator.authenticateToken(made.token)
    const other = (token: TokenInfo) => token.role === 'admin' && token.token_id !== own.token_id
    await auth.tokens.revokeAll(null, other, 'hub')
  }
  return made
}
