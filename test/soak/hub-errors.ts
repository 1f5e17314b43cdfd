/** Errors that a hub whose children are killed and stopped must log, by the words of their lines. */
const EXPECTED: readonly RegExp[] = [
  /^media worker died; starting another$/,
  /^ingress process died; starting another$/,
  /^sfu worker_hangs: media worker N \(pid N\) hangs: ending it$/,
  /^TURN process died; starting another$/,
  /^hangs: TURN relay: turn process N hangs: ending it$/,
  /^ingress_hangs: ingress process N hangs: ending it$/,
  // What was under way on a worker when it was killed: mediasoup's words for a channel that is gone.
  /^(signaling|whip|whep|lane|stream|sfu) \w+: (write after end|(Channel|Worker|Router|Transport|Producer|Consumer) closed|.*request timeout)$/,
  // Who asked while all workers were gone.
  /^(http|signaling|whip|whep) no_worker: (no media worker is up|a media worker is being restarted|a media worker died meanwhile)/,
  // librist's own words, which it prints past every log: garbage at its port, a sender that is gone, a receiver stopped.
  /^(Packet too small|stream is dead|Dropped N|Discontinuity, expected|Lost N packets)/,
]

/** The error lines of a hub, by kind, without what differs each time. */
export function errorKinds(log: readonly Record<string, unknown>[]): Map<string, number> {
  const kinds = new Map<string, number>()
  for (const line of log) {
    if (!['error', 'fatal', 'raw'].includes(String(line['level']))) continue
    const kind = kindOf(line)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return kinds
}

export function unexpectedKinds(kinds: ReadonlyMap<string, number>): string[] {
  return [...kinds.keys()].filter((kind) => !EXPECTED.some((pattern) => pattern.test(kind)))
}

function kindOf({ stage, kind, msg, code }: Record<string, unknown>): string {
  const where = [stage, kind ?? code].filter((part) => typeof part === 'string').join(' ')
  const words = String(msg)
    .replaceAll(/[0-9a-f]{8,}|\d+/gi, 'N')
    .slice(0, 160)
  return where === '' ? words : `${where}: ${words}`
}
