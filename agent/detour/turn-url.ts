import type { FlowContract } from '../../common/wire/flow-contract.ts'

/** A TURN server that is reached by TCP, with the credentials for it. */
export interface TurnServerAddress {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly username: string
  readonly password: string
}

/** RFC 7065: `turn:host:port?transport=tcp`. Ports are 3478, and 5349 over TLS, where none is given. */
const URL_FORM = /^(turns?):(\[[0-9a-fA-F:.]+\]|[^\s:?[\]]+)(?::(\d{1,5}))?\?transport=tcp$/

/** The servers of a contract that are reached by TCP or TLS, in the order to try. Others are of no use without UDP. */
export function turnServersOf({
  ice_servers,
}: Pick<FlowContract['join'], 'ice_servers'>): TurnServerAddress[] {
  return ice_servers.flatMap(({ urls, username, credential }) =>
    urls.flatMap((url) => {
      const [, scheme, host = '', port] = URL_FORM.exec(url) ?? []
      if (scheme === undefined || username === undefined || credential === undefined) return []
      const secure = scheme === 'turns'
      return {
        host: host.replace(/^\[|\]$/g, ''),
        port: Number(port ?? (secure ? 5349 : 3478)),
        secure,
        username,
        password: credential,
      }
    }),
  )
}
