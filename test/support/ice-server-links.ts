/** An ICE server as a `Link` header names it. */
export interface LinkedIceServer {
  readonly urls: string
  readonly username: string
  readonly credential: string
}

/** Reads `Link` headers with `rel="ice-server"`, as a client does; RFC 9725 section 4.6, RFC 8288. */
export function iceServersOfLinks(header: string | null): LinkedIceServer[] {
  return Array.from((header ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g), (match) => {
    const parameters = new Map(
      Array.from(match[2]!.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g), ([, name = '', value = '']) => [
        name,
        value.replaceAll(/\\(.)/g, '$1'),
      ]),
    )
    if (parameters.get('rel') !== 'ice-server' || parameters.get('credential-type') !== 'password')
      throw new Error(`no ICE server: ${match[0]}`)
    return {
      urls: match[1]!,
      username: parameters.get('username') ?? '',
      credential: parameters.get('credential') ?? '',
    }
  })
}
