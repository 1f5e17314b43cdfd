import { createHash } from 'node:crypto'
import { canonicalJson } from '../canonical-json.ts'
import type { NodeConfig } from '../wire/node-config.ts'
import { maskSecrets } from './config-secrets.ts'

/**
 * SHA-256 of the document's canonical JSON (RFC 8785) with its secrets masked, hex: hub and device have the same hash
 * whichever form they hold, and nobody can try passwords against it.
 */
export function configHash(config: NodeConfig): string {
  return createHash('sha256')
    .update(canonicalJson(maskSecrets(config)))
    .digest('hex')
}
