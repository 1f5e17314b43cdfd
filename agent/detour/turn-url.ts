import { turnUrl } from '../../common/net/turn-url.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'

/** A TURN server that is reached by TCP, with the credentials for it. */
export interface TurnServerAddress {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly username: string
  readonly password: string
}

/** The servers of a contract that are reached by TCP or TLS, in the order to try. Others are of no use without UDP. */
export function turnServersOf({
  ice_servers,
}: Pick<FlowContract['join'], 'ice_servers'>): TurnServerAddress[] {
  return ice_servers.flatMap(({ urls, username, credential }) =>
    urls.flatMap((url) => {
      const read = url.endsWith('?transport=tcp') ? turnUrl(url) : null
      if (read === null || username === undefined || credential === undefined) return []
      const { host, port, protocol } = read
      return { host, port, secure: protocol === 'tls', username, password: credential }
    }),
  )
}
