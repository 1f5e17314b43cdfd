import { existsSync } from 'node:fs'
import { askPtp, PORT_PROPERTIES, ptpAnswerIn, TIME_STATUS } from './ptp-message.ts'
import { PtpSocket } from './ptp-socket.ts'

/** ptp4l's sockets: since linuxptp 4 one that anybody may read, and the one of root. */
export const PTP_SOCKETS = ['/var/run/ptp4lro', '/var/run/ptp4l'] as const
/** ptp4l tells changes of state only to those who may configure it. Two small datagrams a second ask for them, ms. */
const ASK_EVERY_MS = 1000
/** A ptp4l that does not answer for this long has lost its sync with itself, ms. */
const SILENT_MS = 3000
/** An offset is told again when it has grown or shrunk by this factor, and not for a few nanoseconds. */
const OFFSET_NEWS = { factor: 2, ns: 500 } as const

/** Sync of one interface by IEEE 1588. */
export interface PtpState {
  /** ptp4l has locked on to a master on this interface. */
  readonly synchronised: boolean
  /** Of the clock against its master, ns; null where there is no master. */
  readonly offsetNs: number | null
}

/** Knows by linuxptp's ptp4l which interfaces are synchronised. It asks only while there is a ptp4l. */
export class PtpWatch implements Disposable {
  readonly #changed: () => void
  readonly #paths: readonly string[]
  readonly #asking: NodeJS.Timeout
  #socket: PtpSocket | null = null
  #path: string | null = null
  #sequence = 0
  #heardAt = 0
  #offsetNs: number | null = null
  #locked: ReadonlyMap<string, boolean> = new Map()
  #told = '[]'
  #toldOffsetNs: number | null = null

  constructor(changed: () => void, paths: readonly string[] = PTP_SOCKETS) {
    this.#changed = changed
    this.#paths = paths
    this.#asking = setInterval(() => this.#ask(), ASK_EVERY_MS)
    this.#ask()
  }

  /** null for an interface that no ptp4l runs on. */
  of(name: string): PtpState | null {
    const synchronised = this.#locked.get(name)
    if (synchronised === undefined) return null
    return { synchronised, offsetNs: synchronised ? this.#offsetNs : null }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#asking)
    this.#close()
  }

  #ask(): void {
    if (this.#socket && performance.now() - this.#heardAt > SILENT_MS) this.#close()
    if (!this.#socket) this.#open()
    for (const id of [TIME_STATUS, PORT_PROPERTIES])
      for (const transport of [0, 1] as const) {
        this.#sequence += 1
        if (this.#socket && !this.#socket.send(askPtp(id, this.#sequence, transport))) this.#close()
      }
    this.#tell()
  }

  /** The first socket of ptp4l that there is, or the next one after one that did not answer. */
  #open(): void {
    const there = this.#paths.filter((path) => existsSync(path))
    const last = this.#path === null ? -1 : there.indexOf(this.#path)
    const path = there[(last + 1) % Math.max(1, there.length)]
    if (path === undefined) return
    this.#path = path
    this.#heardAt = performance.now()
    this.#socket = new PtpSocket(path, (message) => this.#hear(message))
  }

  #close(): void {
    this.#socket?.[Symbol.dispose]()
    this.#socket = null
    this.#offsetNs = null
    this.#locked = new Map()
  }

  #hear(message: Buffer): void {
    const answer = ptpAnswerIn(message)
    if (!answer) return
    this.#heardAt = performance.now()
    if (answer.about === 'clock') this.#offsetNs = answer.follows ? answer.offsetNs : null
    else this.#locked = new Map(this.#locked).set(answer.interface, answer.state === 'slave')
    this.#tell()
  }

  #tell(): void {
    const now = JSON.stringify([...this.#locked].toSorted())
    if (now === this.#told && !isNews(this.#toldOffsetNs, this.#offsetNs)) return
    this.#told = now
    this.#toldOffsetNs = this.#offsetNs
    this.#changed()
  }
}

function isNews(before: number | null, now: number | null): boolean {
  if (before === null || now === null) return before !== now
  const [small = 0, large = 0] = [Math.abs(before), Math.abs(now)].toSorted((one, other) => one - other)
  return large - small > OFFSET_NEWS.ns && large > small * OFFSET_NEWS.factor
}
