interface Numbered {
  readonly seq: number
}

export interface Batch<T> {
  readonly items: readonly T[]
  /** The items that were dropped before the first item of the batch; null where none were. */
  readonly missed: { readonly count: number; readonly from: number } | null
}

/** Items that wait for one listener, in order: at most `capacity`. A new item in a full buffer displaces the oldest. */
export class FactBuffer<T extends Numbered> {
  readonly #capacity: number
  #items: T[] = []
  /** Place of the oldest item, once the ring is full. */
  #head = 0
  #missed: { count: number; readonly from: number } | null = null

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get length(): number {
    return this.#items.length
  }

  add(item: T): void {
    if (this.#items.length < this.#capacity) return void this.#items.push(item)
    this.#missed ??= { count: 0, from: this.#items[this.#head]!.seq }
    this.#missed.count += 1
    this.#items[this.#head] = item
    this.#head = (this.#head + 1) % this.#capacity
  }

  /** Takes out everything that waits. */
  take(): Batch<T> {
    const items = [...this.#items.slice(this.#head), ...this.#items.slice(0, this.#head)]
    const missed = this.#missed
    this.#items = []
    this.#head = 0
    this.#missed = null
    return { items, missed }
  }
}
