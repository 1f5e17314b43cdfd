/** The machine can't play so many viewers beside the worker: some packets did not reach them in time. */
export class TooManyViewers extends Error {}

export interface Held<T> {
  readonly result: T
  readonly viewers: number
  /** How many times the number of viewers was halved. */
  readonly halved: number
}

/**
 * Runs with `most` viewers, and again with half of them each time that the run finds them too many.
 * @throws TooManyViewers where even `least` are too many
 */
export async function withFewerViewers<T>(
  { most, least }: { most: number; least: number },
  say: (what: string) => void,
  run: (viewers: number) => Promise<T>,
): Promise<Held<T>> {
  for (let [viewers, halved] = [most, 0]; ; halved += 1) {
    try {
      return { result: await run(viewers), viewers, halved }
    } catch (error) {
      const fewer = Math.floor(viewers / 2)
      if (!(error instanceof TooManyViewers) || fewer < least) throw error
      say(`${error.message}: again with ${fewer} instead of ${viewers} viewers`)
      viewers = fewer
    }
  }
}
