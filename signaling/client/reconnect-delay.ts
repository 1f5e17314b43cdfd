/** Longest wait between attempts while the hub can't be reached or the media doesn't arrive, in ms. */
const MAX_MS = 5_000
/** Wait before the first attempt, in ms: a dropped connection mostly works again at once. */
const INITIAL_MS = 250
/** Wait while the hub answers that it has no such stream, in ms: it may be created later. */
const UNKNOWN_STREAM_MS = 10_000

/**
 * How long to wait before attempt number `attempt` (0 is the first), in ms: exponential, with jitter in the upper
 * half so that viewers who lost the same hub do not come back in step.
 */
export function reconnectDelayMs(
  attempt: number,
  unknownStream: boolean,
  random: () => number = Math.random,
): number {
  const ceiling = unknownStream ? UNKNOWN_STREAM_MS : Math.min(MAX_MS, INITIAL_MS * 2 ** attempt)
  return ceiling / 2 + (ceiling / 2) * random()
}
