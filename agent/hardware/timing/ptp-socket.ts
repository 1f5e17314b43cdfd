import { closeSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const sendto = libc.func(
  'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)',
)
const recv = libc.func('int64_t recv(int fd, void *bytes, size_t length, int flags)')

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
/** `sun_path` of `struct sockaddr_un`, unix(7), bytes. */
const PATH_BYTES = 108
const MESSAGE_BYTES = 2048

/** Datagrams to and from the Unix socket of ptp4l, which node:dgram does not have. */
export class PtpSocket implements Disposable {
  readonly #address: Buffer
  readonly #buffer = Buffer.allocUnsafe(MESSAGE_BYTES)
  readonly #poll: ReturnType<typeof koffi.node.poll>
  #descriptor: number

  /** @param path of ptp4l's socket @throws Error where the kernel gives no socket */
  constructor(path: string, heard: (message: Buffer) => void) {
    const name = Buffer.from(path, 'utf8')
    if (name.length >= PATH_BYTES) throw new Error(`"${path}" is too long for a socket's path`)
    this.#address = Buffer.alloc(2 + name.length + 1)
    this.#address.writeUInt16LE(AF_UNIX, 0)
    name.copy(this.#address, 2)
    this.#descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (this.#descriptor < 0) throw new Error(`socket: errno ${koffi.errno()}`)
    // An address of the kernel's choice, in no folder (unix(7), "Autobind"): answers go there.
    const anywhere = Buffer.alloc(2)
    anywhere.writeUInt16LE(AF_UNIX, 0)
    bind(this.#descriptor, anywhere, anywhere.length)
    const onReadable = (): void => {
      for (let message = this.#receive(); message !== null; message = this.#receive()) heard(message)
    }
    this.#poll = koffi.node.poll(this.#descriptor, { readable: true }, onReadable)
  }

  /** False where nobody listens there, or we are not let in. */
  send(message: Buffer): boolean {
    if (this.#descriptor < 0) return false
    const { length } = this.#address
    return Number(sendto(this.#descriptor, message, message.length, MSG_DONTWAIT, this.#address, length)) >= 0
  }

  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return
    this.#poll.close()
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #receive(): Buffer | null {
    if (this.#descriptor < 0) return null
    const length = Number(recv(this.#descriptor, this.#buffer, this.#buffer.length, MSG_DONTWAIT))
    return length < 0 ? null : this.#buffer.subarray(0, length)
  }
}
