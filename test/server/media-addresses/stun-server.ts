import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

const MAGIC_COOKIE = 0x2112a442

/** An attribute of a STUN message (RFC 8489 section 14), padded. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  bytes.set(value, 4)
  return bytes
}

/** An answer with these attributes to a request. */
export function message(type: number, request: Buffer, ...attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat(attributes)
  const header = Buffer.alloc(4)
  header.writeUInt16BE(type, 0)
  header.writeUInt16BE(body.length, 2)
  return Buffer.concat([header, request.subarray(4, 20), body])
}

/** XOR-MAPPED-ADDRESS of an IPv4 address. */
export function xorMapped(address: string, port: number): Buffer {
  const value = Buffer.alloc(8)
  value[1] = 1
  value.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2)
  const bits = Buffer.from(address.split('.').map(Number)).readUInt32BE(0)
  value.writeUInt32BE((bits ^ MAGIC_COOKIE) >>> 0, 4)
  return attribute(0x0020, value)
}

/** A server on loopback that sees whoever asks at another address, as behind a NAT, or says nothing. */
export async function stunServer(seen: string | null) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const server = {
    host: '127.0.0.1',
    port: socket.address().port,
    /** Where it sees whoever asks; null: it answers nothing. */
    seen,
    requests: 0,
    /** Answers in place of the true one. */
    answers: null as ((request: Buffer) => readonly Buffer[]) | null,
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
  socket.on('message', (request: Buffer, { port, address }: RemoteInfo) => {
    server.requests++
    const { seen: now, answers } = server
    const all = answers?.(request) ?? (now === null ? [] : [message(0x0101, request, xorMapped(now, port))])
    for (const answer of all) socket.send(answer, port, address)
  })
  return server
}
