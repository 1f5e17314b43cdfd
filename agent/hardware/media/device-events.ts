import { NETLINK_KOBJECT_UEVENT, NetlinkSocket } from '../netlink/netlink-socket.ts'

/** Groups of `NETLINK_KOBJECT_UEVENT`: the kernel itself, and udev once its rules have run and named the device. */
const GROUPS = 0b11
const SUBSYSTEMS = ['video4linux', 'sound'] as const

/**
 * Calls `changed` when a camera or a sound card is plugged in or out. Kernel and udev both tell it, and the second time
 * the names below /dev/v4l are there. Where no udev runs the kernel's word is enough.
 */
export class DeviceEvents implements Disposable {
  readonly #socket: NetlinkSocket

  /** @param subsystems of sysfs, whose devices count @throws Error where the kernel gives no socket */
  constructor(changed: () => void, subsystems: readonly string[] = SUBSYSTEMS) {
    const ours = subsystems.map((name) => `SUBSYSTEM=${name}\0`)
    this.#socket = NetlinkSocket.open(NETLINK_KOBJECT_UEVENT, GROUPS)
    this.#socket.watch(() => {
      let isOurs = false
      for (let event = this.#socket.receive(); event !== null; event = this.#socket.receive())
        if (event === 'lost' || ours.some((name) => event.includes(name))) isOurs = true
      if (isOurs) changed()
    })
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}
