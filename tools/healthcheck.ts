import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { readConfig } from '../server/config/config.ts'
import { tlsRequirement } from '../server/tls/tls-requirement.ts'

/**
 * For the container's HEALTHCHECK: exit status 0 where the hub of this configuration answers on this machine, else 1. It
 * takes what the hub is given.
 */
const WITHIN_MS = 2500

process.exitCode = (await serves()) ? 0 : 1

async function serves(): Promise<boolean> {
  const read = readConfig(process.argv.slice(2), process.env, {})
  if (read === 'help') return false
  const { bind } = read.config
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[bind.host] ?? bind.host
  const request = tlsRequirement(bind.host, read.config).kind === 'tls' ? httpsRequest : httpRequest
  return await new Promise((resolve) => {
    const outgoing = request(
      // It asks its own machine: whose certificate that shows makes no difference.
      {
        host,
        port: bind.port,
        path: '/healthz',
        agent: false,
        timeout: WITHIN_MS,
        rejectUnauthorized: false,
      },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    outgoing.on('timeout', () => outgoing.destroy())
    outgoing.on('error', () => resolve(false))
    outgoing.end()
  })
}
