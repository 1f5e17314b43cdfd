import { constants } from 'node:os'
import test from 'ava'
import koffi from 'koffi'
import { BATCH_DATAGRAMS, DATAGRAM_BYTES, DatagramBatch } from '../../../sfu/lane/datagram-batch.ts'

const { EAGAIN, ECONNREFUSED, EINTR } = constants.errno

/** What `sendmmsg` would have sent: answers in turn, and with all that is asked for after the last. */
function kernel(...answers: readonly number[]) {
  const sent: Buffer[] = []
  let calls = 0
  const send = (messages: number, count: number): number => {
    const answer = Math.min(answers[calls++] ?? count, count)
    for (let index = 0; index < answer; index++) sent.push(...datagramsAt(messages + index * 64))
    return answer
  }
  return {
    send,
    numbers: () => sent.map((datagram) => datagram[0]),
    sent,
    get calls() {
      return calls
    },
  }
}

/** Follows the pointers of a `struct mmsghdr`, and cuts the message where its `UDP_SEGMENT` says so. */
function datagramsAt(message: number): Buffer[] {
  const header = at(message, 64)
  if (header.readBigUInt64LE(0) !== 0n) throw new Error('no message for a connected socket')
  const count = Number(header.readBigUInt64LE(24))
  const parts = Array.from({ length: count }, (_, index) => {
    const iovec = at(Number(header.readBigUInt64LE(16)) + index * 16, 16)
    return at(Number(iovec.readBigUInt64LE(0)), Number(iovec.readBigUInt64LE(8)))
  })
  const controlLength = Number(header.readBigUInt64LE(40))
  if (controlLength === 0) {
    if (count !== 1) throw new Error('several datagrams in a message that the kernel does not cut')
    return parts
  }
  const control = at(Number(header.readBigUInt64LE(32)), controlLength)
  if (control.readBigUInt64LE(0) !== 18n || control.readInt32LE(8) !== 17 || control.readInt32LE(12) !== 103)
    throw new Error('no UDP_SEGMENT')
  const size = control.readUInt16LE(16)
  const bytes = Buffer.concat(parts)
  if (bytes.length > 65_507) throw new Error('EMSGSIZE')
  const cut: Buffer[] = []
  for (let from = 0; from < bytes.length; from += size) cut.push(bytes.subarray(from, from + size))
  return cut
}

function at(address: number, length: number): Buffer {
  return Buffer.from(Buffer.from(koffi.view(BigInt(address), length)))
}

function batchOf(count: number): DatagramBatch {
  const batch = new DatagramBatch(false)
  for (let number = 0; number < count; number++) batch.add(Buffer.of(number))
  return batch
}

test('datagrams of every size are described where they are', (t) => {
  const batch = new DatagramBatch(false)
  const datagrams = Array.from({ length: BATCH_DATAGRAMS }, (_, index) =>
    Buffer.alloc(index === 0 ? DATAGRAM_BYTES : index, index),
  )
  for (const datagram of datagrams) {
    t.false(batch.full)
    batch.add(datagram)
  }
  t.true(batch.full)
  const { send, sent } = kernel()
  batch.flush(send)
  t.false(batch.full)
  t.deepEqual(sent, datagrams)
})

test('an empty batch asks for nothing, and a sent one is empty', (t) => {
  const batch = batchOf(3)
  const first = kernel()
  batch.flush(first.send)
  t.is(first.calls, 1)
  const second = kernel()
  batch.flush(second.send)
  t.is(second.calls, 0)
  batch.add(Buffer.of(9))
  batch.flush(second.send)
  t.deepEqual(second.numbers(), [9])
})

test('a batch that was sent in part is continued', (t) => {
  const { send, numbers } = kernel(2, 1)
  batchOf(6).flush(send)
  t.deepEqual(numbers(), [0, 1, 2, 3, 4, 5])
})

test('a pending refusal costs no datagram', (t) => {
  const some = kernel(-ECONNREFUSED, 2, -ECONNREFUSED, 1, -ECONNREFUSED)
  batchOf(5).flush(some.send)
  t.deepEqual(some.numbers(), [0, 1, 2, 3, 4])
})

test('a datagram that is refused twice is left out, the others go on', (t) => {
  const { send, numbers } = kernel(1, -ECONNREFUSED, -ECONNREFUSED)
  batchOf(4).flush(send)
  t.deepEqual(numbers(), [0, 2, 3])
})

test('without room in the kernel the rest is dropped after one more attempt', (t) => {
  const full = kernel(2, -EAGAIN, -EAGAIN)
  batchOf(5).flush(full.send)
  t.deepEqual(full.numbers(), [0, 1])
  t.is(full.calls, 3)
  const brief = kernel(2, -EAGAIN)
  batchOf(5).flush(brief.send)
  t.deepEqual(brief.numbers(), [0, 1, 2, 3, 4])
})

test('interruptions are no failures', (t) => {
  const { send, numbers } = kernel(-EINTR, -EINTR, -EINTR, 1, -ECONNREFUSED, -EINTR)
  batchOf(3).flush(send)
  t.deepEqual(numbers(), [0, 1, 2])
})

/** Repeats the same numbers in each run. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('datagrams of any sizes stay what they are where the kernel cuts messages', (t) => {
  const below = numbersFrom(7)
  for (let round = 0; round < 90; round++) {
    const batch = new DatagramBatch(true)
    const sizes = [[0, 1, 700, 1200, 1500], [1200, 1200, 1200, 300], [1500]][round % 3]!
    const datagrams = Array.from({ length: 1 + below(BATCH_DATAGRAMS) }, (_, index) =>
      Buffer.alloc(sizes[below(sizes.length)]!, index),
    )
    // A batch is filled again after each flush.
    for (let fill = 0; fill < 2; fill++) {
      for (const datagram of datagrams) batch.add(datagram)
      const { send, sent } = kernel()
      batch.flush(send)
      t.deepEqual(sent, datagrams, `round ${round}`)
    }
  }
})

test('a picture is one message, and what follows is another', (t) => {
  const batch = new DatagramBatch(true)
  for (const size of [1200, 1200, 1200, 90, 1200, 1200]) batch.add(Buffer.alloc(size))
  let asked = 0
  batch.flush((_messages, count) => {
    asked = count
    return count
  })
  t.is(asked, 2)
})

test('a message that is refused twice takes its datagrams along, the others go on', (t) => {
  const batch = new DatagramBatch(true)
  for (const [number, size] of [10, 10, 4, 20, 20, 8].entries()) batch.add(Buffer.alloc(size, number))
  const { send, numbers } = kernel(-ECONNREFUSED, -ECONNREFUSED)
  batch.flush(send)
  t.deepEqual(numbers(), [3, 4, 5])
})
