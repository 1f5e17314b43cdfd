import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { CodedError, messageOf } from '../../common/errors.ts'

/** A secret in a file of its own that only the owner reads. coturn takes one line of printable characters. */
const SECRET = /^[\x21-\x7e]{16,500}$/

/** Reads a secret, or makes one where the file is missing. @throws CodedError `bad_config` that names the file */
export function secretFrom(path: string, make: boolean): string {
  try {
    if (make && !existsSync(path))
      writeFileSync(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
    const secret = readFileSync(path, 'utf8').trim()
    if (!SECRET.test(secret)) throw new Error('it must hold one line of 16 to 500 printable characters')
    if ((statSync(path).mode & 0o077) !== 0) throw new Error('others may read it: chmod 600')
    return secret
  } catch (error) {
    throw bad(`${path}: ${messageOf(error)}`)
  }
}

/** The secret of a relay that enrolled, of its own: who has it can make credentials for no other relay. */
export function relaySecretOf(master: string, nodeId: string): string {
  return createHmac('sha256', master).update(`relay/${nodeId}`).digest('base64url')
}

/** @throws CodedError `bad_config` that names the variable */
export function secretInEnvironment(name: string, env: NodeJS.ProcessEnv): string {
  const secret = env[name] ?? ''
  if (!SECRET.test(secret)) throw bad(`${name} (environment): needs 16 to 500 printable characters`)
  return secret
}

function bad(detail: string): CodedError {
  return new CodedError('bad_config', 'a secret of a TURN server is not usable', {
    status: 500,
    details: [detail],
  })
}
