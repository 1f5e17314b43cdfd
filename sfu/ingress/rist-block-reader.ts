import { closeSync } from 'node:fs'
import koffi from 'koffi'
import { copyFromAddress, emptyPipe, openPipe } from '../../common/rist/libc.ts'
import { BATCH_ENTRY, DATA_BLOCK, loadRist, type RistPointer } from '../../common/rist/librist.ts'

/** Most blocks taken from librist in one turn of the event loop: 200 ms of a 30 Mb/s stream. */
const BLOCKS_PER_TURN = 512
/** librist never hands out more than a UDP datagram's payload. */
const MAX_PAYLOAD = 65536
/** For some 180 blocks of a field sender: a picture and more. */
const BATCH_BYTES = 256 * 1024

/**
 * @param sequence RTP's
 * @param payload valid only during the call
 * @param nowMs `performance.now()` when the blocks of this turn were fetched
 */
type OnBlock = (flowId: number, sequence: number, payload: Buffer, nowMs: number) => void

/**
 * Takes data blocks out of a receiver's queue when librist signals them through a pipe, so that librist's threads never
 * wait for our event loop.
 */
export class RistBlockReader implements Disposable {
  readonly #context: RistPointer
  readonly #onBlock: OnBlock
  readonly #together: (work: () => void) => void
  readonly #pipe = openPipe()
  readonly #poll: ReturnType<typeof koffi.node.poll>
  readonly #signals = Buffer.alloc(4096)
  /** `struct rist_data_block *`, written by librist. */
  readonly #pointer = Buffer.alloc(8)
  readonly #block = Buffer.alloc(DATA_BLOCK.size)
  readonly #payload = Buffer.alloc(MAX_PAYLOAD)
  readonly #batch: Buffer | null
  #closed = false

  /**
   * @param context a receiver that is not started yet
   * @param onBlock must not throw
   * @param together runs what takes the blocks of one turn of the event loop
   */
  constructor(context: RistPointer, onBlock: OnBlock, together: (work: () => void) => void) {
    this.#context = context
    this.#onBlock = onBlock
    this.#together = together
    const rist = loadRist()
    this.#batch = rist.batches && Buffer.alloc(BATCH_BYTES)
    rist.receiverNotifyFd(context, this.#pipe.writeEnd)
    this.#poll = koffi.node.poll(this.#pipe.readEnd, { readable: true }, () => {
      emptyPipe(this.#pipe.readEnd, this.#signals)
      this.#onTurn()
    })
  }

  readonly #onTurn = (): void => this.#together(this.#drain)

  readonly #drain = (): void => {
    const nowMs = performance.now()
    for (let count = 0; count < BLOCKS_PER_TURN; ) {
      const taken = this.#closed ? 0 : this.#take(nowMs)
      if (taken === 0) return
      count += taken
    }
    setImmediate(this.#onTurn)
  }

  /** @returns the number of blocks; 0 when none is left */
  #take(nowMs: number): number {
    return this.#batch ? this.#takeBatch(this.#batch, nowMs) : this.#takeOne(nowMs)
  }

  #takeBatch(batch: Buffer, nowMs: number): number {
    const end = Number(loadRist().batches?.read(this.#context, batch, batch.length))
    let count = 0
    for (let at = 0; at < end && !this.#closed; count++) {
      const length = batch.readUInt32LE(at + BATCH_ENTRY.payloadLength)
      const flowId = batch.readUInt32LE(at + BATCH_ENTRY.flowId)
      const sequence = batch.readUInt32LE(at + BATCH_ENTRY.sequence)
      const payload = at + BATCH_ENTRY.header
      if (length > 0) this.#onBlock(flowId, sequence, batch.subarray(payload, payload + length), nowMs)
      at = payload + Math.ceil(length / BATCH_ENTRY.align) * BATCH_ENTRY.align
    }
    return count
  }

  #takeOne(nowMs: number): number {
    const rist = loadRist()
    this.#pointer.fill(0)
    if (rist.receiverRead(this.#context, this.#pointer, 0) <= 0) return 0
    copyFromAddress(this.#block, this.#pointer.readBigUInt64LE(0), DATA_BLOCK.size)
    const length = Number(this.#block.readBigUInt64LE(DATA_BLOCK.payloadLength))
    const usable = length > 0 && length <= MAX_PAYLOAD
    if (usable) copyFromAddress(this.#payload, this.#block.readBigUInt64LE(DATA_BLOCK.payload), length)
    rist.receiverFree(this.#pointer)
    if (usable) {
      const flowId = this.#block.readUInt32LE(DATA_BLOCK.flowId)
      const sequence = this.#block.readUInt32LE(DATA_BLOCK.sequence)
      this.#onBlock(flowId, sequence, this.#payload.subarray(0, length), nowMs)
    }
    return 1
  }

  /** Takes no more blocks. The pipe stays until disposal, because librist still writes to it. */
  stop(): void {
    if (this.#closed) return
    this.#closed = true
    this.#poll.close()
  }

  /** Call this only after the context is destroyed. */
  [Symbol.dispose](): void {
    this.stop()
    closeSync(this.#pipe.readEnd)
    closeSync(this.#pipe.writeEnd)
  }
}
