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
    for (let index = 0; index < answer; index++) sent.push(datagramAt(messages + index * 64))
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

/** Follows the pointers of a `struct mmsghdr`. */
function datagramAt(message: number): Buffer {
  const header = Buffer.from(koffi.view(BigInt(message), 64))
  if (
    header.readBigUInt64LE(0) !== 0n ||
    header.readBigUInt64LE(24) !== 1n ||
    header.readBigUInt64LE(32) !== 0n
  )
    throw new Error('no message of one iovec for a connected socket')
  const iovec = Buffer.from(koffi.view(header.readBigUInt64LE(16), 16))
  return Buffer.from(Buffer.from(koffi.view(iovec.readBigUInt64LE(0), Number(iovec.readBigUInt64LE(8)))))
}

function batchOf(count: number): DatagramBatch {
  const batch = new DatagramBatch()
  for (let number = 0; number < count; number++) batch.add(Buffer.of(number))
  return batch
}

test('datagrams of every size are described where they are', (t) => {
  const batch = new DatagramBatch()
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
