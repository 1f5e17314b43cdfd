import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { rangeName, rangeOf, type SegmentRange } from '../wire/backlog.ts'

const END = '.ts'
/** Of a file that is being written. What a program before left is removed. */
const PART = '.part'
/** Most segments of all streams together: each takes a block of the disk and some memory, however few bytes it has. */
const MOST_SEGMENTS = 50_000

export interface Segment extends SegmentRange {
  /** The stream, a name of a folder. */
  readonly stream: string
  readonly bytes: number
}

export interface SegmentFolderOptions {
  readonly folder: string
  /** Most bytes of all streams together, asked for anew each time. */
  readonly mostBytes: () => number
  /** Most bytes of one stream; as many as all by default. */
  readonly mostBytesOfStream?: () => number
  /** Most segments of all streams together. */
  readonly mostSegments?: number
  /** A segment was removed to make room. */
  readonly gaveWay?: (segment: Segment) => void
}

/**
 * Segments of media on disk, in a folder for each stream, bounded: the oldest gives way. A segment is there whole or not
 * at all, also after a power cut. Writes run one after the other.
 */
export class SegmentFolder {
  readonly #options: SegmentFolderOptions
  /** By stream, in the order of their beginnings. */
  readonly #streams = new Map<string, Segment[]>()
  #bytes = 0
  #count = 0
  #work: Promise<unknown> = Promise.resolve()

  /** Reads what is there, and removes what was not finished. @throws errors of the file system */
  static async open(options: SegmentFolderOptions): Promise<SegmentFolder> {
    const folder = new SegmentFolder(options)
    await mkdir(options.folder, { recursive: true, mode: 0o700 })
    for (const entry of await readdir(options.folder, { withFileTypes: true }))
      if (entry.isDirectory()) await folder.#read(entry.name)
    return folder
  }

  private constructor(options: SegmentFolderOptions) {
    this.#options = options
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#bytes
  }

  /** The segments of a stream, in the order of their beginnings. */
  of(stream: string): readonly Segment[] {
    return this.#streams.get(stream) ?? []
  }

  get streams(): readonly string[] {
    return [...this.#streams.keys()]
  }

  /** The segment that begins first; null where there is none. */
  get oldest(): Segment | null {
    const firsts = [...this.#streams.values()].flatMap(([first]) => first ?? [])
    return firsts.toSorted((one, other) => one.from - other.from)[0] ?? null
  }

  /**
   * Keeps a segment; resolves when it is on the disk.
   * @returns `differs`: there is another segment of the same range, which stays; `too_large`: there is no room for it
   * @throws errors of the file system, ENOSPC where the disk is full although older segments gave way
   */
  save(
    stream: string,
    range: SegmentRange,
    pieces: readonly Uint8Array[],
  ): Promise<'saved' | 'same' | 'differs' | 'too_large'> {
    return this.#inTurn(async () => {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
      const present = this.of(stream).find(({ from, to }) => from === range.from && to === range.to)
      if (present) return (await this.#holds(present, pieces)) ? 'same' : 'differs'
      if (!(await this.#makeRoom(stream, bytes))) return 'too_large'
      const segment = { stream, from: range.from, to: range.to, bytes }
      for (;;)
        try {
          await this.#write(segment, pieces)
          break
        } catch (error) {
          // Others fill the disk, too.
          const first = isFull(error) ? this.oldest : null
          if (!first) throw error
          await this.#giveWay(first)
        }
      this.#insert(segment)
      return 'saved'
    })
  }

  /** @throws errors of the file system, ENOENT for one that is gone */
  read(segment: Segment): Promise<Buffer> {
    return readFile(this.#pathOf(segment))
  }

  remove(segment: Segment): Promise<void> {
    return this.#inTurn(() => this.#remove(segment))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }

  async #read(stream: string): Promise<void> {
    const folder = join(this.#options.folder, stream)
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      const range = name.endsWith(END) ? rangeOf(name.slice(0, -END.length)) : null
      if (range) this.#insert({ stream, ...range, bytes: (await stat(path)).size })
      else if (name.endsWith(PART)) await rm(path, { force: true })
    }
    if (!this.#streams.has(stream)) await rmdir(folder).catch(() => {})
  }

  #insert(segment: Segment): void {
    const segments = this.#streams.get(segment.stream) ?? []
    const after = segments.findLastIndex(({ from }) => from <= segment.from)
    segments.splice(after + 1, 0, segment)
    this.#streams.set(segment.stream, segments)
    this.#bytes += segment.bytes
    this.#count += 1
  }

  async #holds(segment: Segment, pieces: readonly Uint8Array[]): Promise<boolean> {
    return (await this.read(segment)).equals(Buffer.concat(pieces))
  }

  /** @returns false for more than there may ever be */
  async #makeRoom(stream: string, bytes: number): Promise<boolean> {
    const { mostBytes, mostBytesOfStream = mostBytes, mostSegments = MOST_SEGMENTS } = this.#options
    if (bytes > Math.min(mostBytes(), mostBytesOfStream())) return false
    const ofStream = () => this.of(stream).reduce((sum, segment) => sum + segment.bytes, 0)
    for (
      let first = this.of(stream)[0];
      first && ofStream() + bytes > mostBytesOfStream();
      first = this.of(stream)[0]
    )
      await this.#giveWay(first)
    const isFullWith = () => this.#bytes + bytes > mostBytes() || this.#count >= mostSegments
    for (let { oldest } = this; oldest && isFullWith(); { oldest } = this) await this.#giveWay(oldest)
    return true
  }

  async #write(segment: Segment, pieces: readonly Uint8Array[]): Promise<void> {
    const path = this.#pathOf(segment)
    const folder = join(this.#options.folder, segment.stream)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    try {
      {
        await using handle = await open(path + PART, 'w', 0o600)
        for (const piece of pieces) await handle.write(piece)
        await handle.sync()
      }
      await rename(path + PART, path)
      await using handle = await open(folder, 'r')
      await handle.sync()
    } catch (error) {
      await rm(path + PART, { force: true }).catch(() => {})
      throw error
    }
  }

  async #giveWay(segment: Segment): Promise<void> {
    await this.#remove(segment)
    this.#options.gaveWay?.(segment)
  }

  async #remove(segment: Segment): Promise<void> {
    const segments = this.#streams.get(segment.stream)
    const at = segments?.indexOf(segment) ?? -1
    if (!segments || at < 0) return
    await rm(this.#pathOf(segment), { force: true })
    segments.splice(at, 1)
    this.#bytes -= segment.bytes
    this.#count -= 1
    if (segments.length > 0) return
    this.#streams.delete(segment.stream)
    await rmdir(join(this.#options.folder, segment.stream)).catch(() => {})
  }

  #pathOf(segment: Segment): string {
    return join(this.#options.folder, segment.stream, rangeName(segment) + END)
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
