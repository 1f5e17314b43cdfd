import { writeSync } from 'node:fs'
import { z } from 'zod'
import { Parent } from '../../../common/supervision/parent.ts'

/** A child that behaves as BEHAVES names. It says `up` first, unless it is a silent one. */
const behaves = process.env.BEHAVES ?? ''
const CHANNEL = 3

const parent: Parent<unknown> = Parent.connect<unknown, { echo: string }>({
  told: z.strictObject({ echo: z.string() }),
  hear: ({ echo }) => parent.tell({ type: 'echo', echo }),
  stop: () =>
    behaves === 'ignores the end' ? new Promise(() => {}) : parent.tell({ type: 'echo', echo: 'end' }),
})

if (behaves === 'ends before it speaks') process.exit(3)
if (behaves === 'never speaks') setInterval(() => {}, 1000)
else parent.tell({ type: 'up' })
switch (behaves) {
  case 'crashes':
    setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 50)
    break
  case 'fails':
    parent.fail({ type: 'echo', echo: 'a last word' })
    break
  case 'loops':
    setTimeout(() => {
      for (;;);
    }, 50)
    break
  case 'says no JSON':
    setTimeout(() => writeSync(CHANNEL, 'not JSON\n'), 50)
    break
  case 'says random bytes':
    setTimeout(
      () => writeSync(CHANNEL, Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 131) % 256))),
      50,
    )
    break
  case 'says a message without end':
    setTimeout(() => writeAll(Buffer.alloc(2 ** 21, 'x')), 50)
    break
  case 'floods':
    setTimeout(() => {
      const lines = Buffer.from('{"type":"up"}\n'.repeat(5000))
      for (;;) writeAll(lines)
    }, 50)
    break
  case 'floods with nothing':
    setTimeout(() => {
      const lines = Buffer.alloc(65_536, '0\n')
      for (;;) writeAll(lines)
    }, 50)
    break
  case 'strays':
    for (let count = 0; count < 20; count += 1) parent.tell({ type: 'unheard of', count })
    setInterval(() => parent.tell({ type: 'up' }), 50)
    break
  case 'never speaks':
    break
  default:
    setInterval(() => parent.tell({ type: 'up' }), 50)
}

/** The channel does not block: bytes that it does not take are tried again. */
function writeAll(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(CHANNEL, bytes, at)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
  }
}
