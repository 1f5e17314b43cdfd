import { Duplex } from 'node:stream'
import test from 'ava'
import { MessageChannel } from '../../../common/supervision/message-channel.ts'

/** A channel whose other end is the test. What it hears is noted by turns of the event loop. */
function open() {
  const turns: unknown[][] = []
  const told: string[] = []
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  let [at, now] = [-1, 0]
  const channel = new MessageChannel(
    socket,
    {
      heard: (message) => {
        if (at < 0) {
          at = turns.push([]) - 1
          setImmediate(() => (at = -1))
        }
        turns[at]!.push(message)
      },
      broken: (why) => told.push(why),
      ended: () => told.push('ended'),
    },
    () => now,
  )
  const pass = (ms: number) => {
    now += ms
  }
  return { channel, socket, turns, told, pass }
}
const settled = async (turns = 20) => {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('messages come whole, however they are cut', async (t) => {
  const { socket, turns, told } = open()
  for (const byte of Buffer.from('{"a":"ü"}\n[1]\n')) socket.push(Buffer.from([byte]))
  await settled()
  t.deepEqual(turns.flat(), [{ a: 'ü' }, [1]])
  socket.push(null)
  await settled()
  t.deepEqual(told, ['ended'])
})

test('what comes at once is heard a hundred in a turn, and all before the end', async (t) => {
  const { socket, turns, told } = open()
  socket.push('1\n'.repeat(1050))
  socket.push(null)
  await settled(40)
  t.is(turns.flat().length, 1050)
  t.true(turns.every((heard) => heard.length <= 100))
  t.deepEqual(told, ['ended'])
})

test('who said as much as is said in a minute is heard; who goes on so floods', async (t) => {
  const { socket, turns, told, pass } = open()
  socket.push('1\n'.repeat(19_000))
  await settled(400)
  t.deepEqual(told, [])
  pass(1000)
  socket.push('1\n'.repeat(1900))
  await settled(40)
  t.deepEqual(told, [])
  socket.push('1\n'.repeat(200))
  await settled()
  t.is(told.length, 1)
  t.regex(told[0]!, /^floods/)
  t.true(turns.flat().length < 21_000)
  t.true(socket.destroyed)
})

test('what is no JSON, and a message without end, end the channel', async (t) => {
  for (const bytes of ['1\nx\n2\n', '1\n'.concat('x'.repeat(2 ** 20 + 1))]) {
    const { socket, turns, told } = open()
    socket.push(bytes)
    await settled()
    t.deepEqual(turns.flat(), [1])
    t.is(told.length, 1)
    t.true(socket.destroyed)
  }
})
