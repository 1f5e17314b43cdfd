import { type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { CodedError } from '../../common/errors.ts'

type Env = Readonly<Record<string, string | undefined>>

/**
 * The proxy by which to reach an address, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY as curl reads them; names in small
 * letters come first.
 * @returns null where there is none
 * @throws CodedError `proxy_invalid`
 */
export function proxyOf(url: URL, env: Env): URL | null {
  const scheme = url.protocol === 'https:' || url.protocol === 'wss:' ? 'https' : 'http'
  const text = env[`${scheme}_proxy`] || env[`${scheme.toUpperCase()}_PROXY`]
  if (!text || isExcepted(url, env['no_proxy'] || env['NO_PROXY'] || '')) return null
  const written = text.includes('://') ? text : `http://${text}`
  const proxy = URL.canParse(written) ? new URL(written) : null
  // The text may hold a password.
  if (proxy?.protocol !== 'http:' && proxy?.protocol !== 'https:')
    throw new CodedError('proxy_invalid', `${scheme.toUpperCase()}_PROXY is no http or https address`)
  return proxy
}

/** Whether NO_PROXY names the host: `*`, a name, a name with all below it, an address, each with a port or without. */
function isExcepted({ hostname, port, protocol }: URL, exceptions: string): boolean {
  const host = hostname.replaceAll(/[[\]]/g, '').toLowerCase()
  const hostPort = port || (protocol === 'https:' || protocol === 'wss:' ? '443' : '80')
  return exceptions.split(/[\s,]+/).some((text) => {
    const exception = text.toLowerCase()
    if (exception === '' || exception === '*') return exception === '*'
    const [, name = '', onlyPort] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(exception) ?? []
    if (isIP(exception)) return host === exception
    if (onlyPort !== undefined && onlyPort !== hostPort) return false
    const domain = name.replace(/^\*?\./, '')
    return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`))
  })
}

/**
 * A connection to `host` through an HTTP proxy (CONNECT: RFC 9110 section 9.3.6).
 * @throws CodedError `proxy_refuses`, or the error of the connection
 */
export async function tunnel(proxy: URL, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const { username, password } = proxy
  const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization = `Basic ${Buffer.from(secret).toString('base64')}`
  const request = proxy.protocol === 'https:' ? requestSecure : requestPlain
  const asking = request({
    host: proxy.hostname.replaceAll(/[[\]]/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...(username && { 'proxy-authorization': authorization }) },
    agent: false,
  })
  const connected = Promise.withResolvers<[IncomingMessage, Socket, Buffer]>()
  const giveUp = (): void => {
    asking.destroy(new Error('the proxy did not answer in time'))
  }
  asking.once('connect', (...answer) => connected.resolve(answer))
  // A proxy that does not understand CONNECT answers as to any request.
  asking.once('response', ({ statusCode }) => asking.destroy(refusal(statusCode)))
  asking.on('error', connected.reject)
  signal.addEventListener('abort', giveUp, { once: true })
  asking.end()
  const [response, socket, head] = await connected.promise.finally(() =>
    // An abort may not end the connection later.
    signal.removeEventListener('abort', giveUp),
  )
  if (response.statusCode !== 200) {
    socket.destroy()
    throw refusal(response.statusCode)
  }
  if (head.length > 0) socket.unshift(head)
  return socket
}

const refusal = (status: number | undefined): CodedError =>
  new CodedError('proxy_refuses', `the proxy answers ${status}`)
