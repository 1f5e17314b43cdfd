import { closeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')

/** Values of Linux, identical on x86-64 and arm64. */
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
/** `sun_path` of `struct sockaddr_un`, unix(7), bytes. */
const PATH_BYTES = 108

const socket = libc.func('int socket(int domain, int type, int protocol)')
const sendto = libc.func(
  'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)',
)

/**
 * The socket of a service manager (sd_notify(3)): datagrams to a Unix address, which node:dgram does not have. A send
 * never waits.
 */
export class NotifySocket implements Disposable {
  readonly #address: Buffer
  #descriptor: number

  private constructor(address: Buffer, descriptor: number) {
    this.#address = address
    this.#descriptor = descriptor
  }

  /** @param path as in NOTIFY_SOCKET: a path, or a name that begins with @ @throws Error where it is neither */
  static open(path: string): NotifySocket {
    const address = unixAddress(path)
    const descriptor = Number(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    if (descriptor < 0) throw new Error(`socket: ${getSystemErrorName(-koffi.errno())}`)
    return new NotifySocket(address, descriptor)
  }

  /** @throws Error with the system's code, as where nobody listens any more */
  send(text: string): void {
    const bytes = Buffer.from(text, 'utf8')
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    const sent = Number(
      sendto(this.#descriptor, bytes, bytes.length, flags, this.#address, this.#address.length),
    )
    if (sent < 0) throw new Error(`sendto: ${getSystemErrorName(-koffi.errno())}`)
  }

  [Symbol.dispose](): void {
    if (this.#descriptor < 0) return
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }
}

/** `struct sockaddr_un`. A name of the abstract namespace begins with a zero byte, and ends with its length. */
function unixAddress(path: string): Buffer {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path, 'utf8')
  if (!/^[/@]/.test(path) || name.length < 2 || name.length >= PATH_BYTES)
    throw new Error(`"${path}" is no address of a service manager`)
  const end = path.startsWith('@') ? 0 : 1
  const address = Buffer.alloc(2 + name.length + end)
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, 2)
  return address
}
