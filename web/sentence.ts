/** The hub's short codes for why media must start again, in words. */
const CODES: Readonly<Record<string, string>> = {
  worker_lost: 'A media server process was replaced',
  ice_disconnected: 'The media connection was interrupted',
  dtls_failed: 'The encrypted media connection failed',
  dtls_closed: 'The encrypted media connection was closed',
}

/** Makes a sentence of a reason from the hub or the SDK; empty for an empty reason. */
export function sentence(reason: string): string {
  const words = CODES[reason] ?? reason
  if (words === '') return ''
  const start = words.charAt(0).toUpperCase() + words.slice(1)
  return /[.!?]$/.test(start) ? start : `${start}.`
}
