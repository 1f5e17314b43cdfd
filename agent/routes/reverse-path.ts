import { readFile, writeFile } from 'node:fs/promises'

const FOLDER = '/proc/sys/net/ipv4/conf'
/** Values of rp_filter (ip-sysctl): an answer must come by the best way to its sender, or by any way. */
const STRICT = 1
const LOOSE = 2

/**
 * Lets answers in that come by another interface than the main table's best one. With a strict filter the kernel drops
 * what a hub answers on every link but one.
 */
export class ReversePath implements AsyncDisposable {
  readonly #changed = new Set<string>()

  /** @throws where the filter is strict and can't be changed */
  async loosen(device: string): Promise<void> {
    const [all, own] = await Promise.all([read('all'), read(device)])
    if (Math.max(all, own) !== STRICT) return
    await writeFile(pathOf(device), String(LOOSE))
    this.#changed.add(device)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of this.#changed) await writeFile(pathOf(device), String(STRICT)).catch(() => {})
    this.#changed.clear()
  }
}

const pathOf = (device: string): string => `${FOLDER}/${device}/rp_filter`

/** 0 for an interface that is gone. */
const read = async (device: string): Promise<number> =>
  Number(await readFile(pathOf(device), 'utf8').catch(() => '0'))
