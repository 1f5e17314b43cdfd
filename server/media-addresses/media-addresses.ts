import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { backoffMs, pause } from '../../common/retry.ts'
import type { Config } from '../config/config.ts'
import { askStun } from './ask-stun.ts'

export type MediaAddressConfig = Pick<
  Config,
  'rtcIp' | 'rtcAnnounced' | 'ristIp' | 'ristAnnounced' | 'stunServer'
>

export interface AddressRules {
  /** The hub's start waits so long for the first answer, ms. */
  readonly firstMs: number
  /** A later answer may take so long, ms. */
  readonly laterMs: number
  /** How often to ask whether the address is still the same: no system tells of a change behind a NAT, ms. */
  readonly everyMs: number
  /** After an unanswered question, ms. */
  readonly again: Parameters<typeof backoffMs>[0]
}

export const ADDRESS_RULES: AddressRules = {
  firstMs: 1500,
  laterMs: 5000,
  everyMs: 60_000,
  again: { initialMs: 2000, maxMs: 60_000, factor: 2 },
}

/** Addresses told to others. */
export interface Announced {
  /** For viewers and browser publishers. */
  readonly rtc: string
  /** For field senders. */
  readonly rist: string
}

export interface MediaAddressesOptions {
  readonly config: MediaAddressConfig
  readonly logger: Logger
  readonly rules?: AddressRules
}

/**
 * The addresses at which others reach the hub's media: set by hand, or as a STUN server sees this machine, or those that
 * the hub listens on. What is set by hand is never asked for.
 */
export class MediaAddresses implements AsyncDisposable {
  readonly #options: MediaAddressesOptions
  readonly #closing = new AbortController()
  readonly #listeners = new Set<() => void>()
  #announced: Announced
  #failure: string | null = null
  #everFound = false
  #running: Promise<void> = Promise.resolve()

  private constructor(options: MediaAddressesOptions) {
    this.#options = options
    const { rtcIp, rtcAnnounced, ristIp, ristAnnounced } = options.config
    this.#announced = { rtc: rtcAnnounced || reachable(rtcIp), rist: ristAnnounced || reachable(ristIp) }
  }

  /** Asks once. A server that does not answer holds nothing up for longer than the rules say, and is asked again. */
  static async open(options: MediaAddressesOptions): Promise<MediaAddresses> {
    const addresses = new MediaAddresses(options)
    if (addresses.#questions().length === 0) return addresses
    const { firstMs } = options.rules ?? ADDRESS_RULES
    await addresses.#ask(firstMs)
    addresses.#running = addresses.#watch()
    return addresses
  }

  get announced(): Announced {
    return this.#announced
  }

  /** Why the addresses may be wrong; null while they are known. */
  get failure(): string | null {
    return this.#failure
  }

  /** Called when an address has changed, or whether the addresses are known. Call the returned function to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#listeners.clear()
    await this.#running
  }

  /** Addresses that the hub listens on and nobody set by hand. */
  #questions(): string[] {
    const { rtcIp, rtcAnnounced, ristIp, ristAnnounced, stunServer } = this.#options.config
    if (stunServer === null) return []
    const unset = [rtcAnnounced === '' ? [rtcIp] : [], ristAnnounced === '' ? [ristIp] : []]
    return [...new Set(unset.flat())]
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing
    const { everyMs, laterMs, again } = this.#options.rules ?? ADDRESS_RULES
    for (let failures = this.#failure === null ? 0 : 1; ; ) {
      await pause(failures === 0 ? everyMs : backoffMs(again, failures - 1), signal).catch(() => {})
      if (signal.aborted) return
      await this.#ask(laterMs)
      failures = this.#failure === null ? 0 : failures + 1
    }
  }

  async #ask(withinMs: number): Promise<void> {
    const { config, logger } = this.#options
    const { rtcIp, rtcAnnounced, ristIp, ristAnnounced, stunServer } = config
    const { signal } = this.#closing
    try {
      const seen = new Map<string, string>()
      for (const from of this.#questions())
        seen.set(from, (await askStun(stunServer!, from, withinMs, signal)).address)
      this.#found({
        rtc: rtcAnnounced || seen.get(rtcIp)!,
        rist: ristAnnounced || seen.get(ristIp)!,
      })
    } catch (error) {
      if (signal.aborted) return
      const failure = messageOf(error)
      const { rtc, rist } = this.#announced
      if (this.#failure === null)
        logger.warn(
          { reason: failure, rtc, rist },
          'the media addresses could not be found: others are told those that were known before, or those of this machine. Set RTC_ANNOUNCED_ADDRESS and RIST_ANNOUNCED_ADDRESS, or mend STUN_SERVER',
        )
      const isNews = this.#failure !== failure
      this.#failure = failure
      if (isNews) this.#tell()
    }
  }

  #found(next: Announced): void {
    const { logger } = this.#options
    const { rtc, rist } = this.#announced
    const same = rtc === next.rtc && rist === next.rist
    const known = this.#failure === null
    this.#failure = null
    this.#announced = next
    if (!this.#everFound) logger.info({ rtc: next.rtc, rist: next.rist }, 'the media addresses were found')
    else if (!same)
      logger.warn(
        { rtc: next.rtc, rist: next.rist, before: { rtc, rist } },
        'the media addresses are others now: new connections and contracts get them',
      )
    this.#everFound = true
    if (!same || !known) this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** An address of this machine for one that means all of them: the first that is not loopback. */
function reachable(ip: string): string {
  if (ip !== '0.0.0.0' && ip !== '::') return ip
  const family = isIP(ip) === 6 ? 'IPv6' : 'IPv4'
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const outer = all.find(
    (each) => !each.internal && each.family === family && !each.address.startsWith('fe80:'),
  )
  return outer?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1')
}
