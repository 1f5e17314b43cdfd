/** The WebSocket address of a path or URL that the hub names. */
export function webSocketUrl(place: string, hubUrl: string): string {
  const url = new URL(place, hubUrl)
  url.protocol = url.protocol.replace('http', 'ws')
  return url.href
}
