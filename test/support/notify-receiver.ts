import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const recv = libc.func('int64_t recv(int fd, void *bytes, size_t length, int flags)')

const AF_UNIX = 1
const DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000

/** The end of a service manager: what a service says to its NOTIFY_SOCKET. */
export interface NotifyReceiver extends Disposable {
  readonly path: string
  /** Messages since the last call. */
  take(): string[]
}

/** @param name of the abstract namespace; a file of its own by default */
export function openNotifyReceiver(name?: string): NotifyReceiver {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-notify-'))
  const path = name === undefined ? join(folder, 'socket') : `@${name}`
  const bytes = Buffer.from(name === undefined ? `${path}\0` : `\0${name}`)
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), bytes])
  const descriptor = Number(socket(AF_UNIX, DGRAM_NONBLOCK_CLOEXEC, 0))
  if (Number(bind(descriptor, address, address.length)) !== 0) throw new Error(`no socket at ${path}`)
  return {
    path,
    take() {
      const messages: string[] = []
      const buffer = Buffer.alloc(4096)
      for (;;) {
        const length = Number(recv(descriptor, buffer, buffer.length, 0))
        if (length < 0) return messages
        messages.push(buffer.toString('utf8', 0, length))
      }
    },
    [Symbol.dispose]() {
      closeSync(descriptor)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
