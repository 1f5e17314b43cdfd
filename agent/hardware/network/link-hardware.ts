import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { SystemRoots } from '../system-roots.ts'
import type { Link } from './network-state.ts'

/** What is behind a network interface, by sysfs. */
export interface LinkHardware {
  /** Path below /sys/devices, without the interface's name; null for what is made by software. */
  readonly path: string | null
  /** The driver's name: `qmi_wwan`, `r8152`; null where none is told. */
  readonly driver: string | null
  readonly wifi: boolean
  /** The driver calls it a modem's. */
  readonly wwan: boolean
  /** Place on the USB, such as `1-1.2`, of what is plugged in there; null for what is not on the USB. */
  readonly usbPort: string | null
}

/** The longest path that is told, letters. None that was seen has half of that. */
const LONGEST_PATH = 200
const NOTHING: LinkHardware = { path: null, driver: null, wifi: false, wwan: false, usbPort: null }

/**
 * Looks up an interface's hardware by its device, because /sys/class/net shows the interfaces of the namespace that mounted
 * it, which may be another one than the process's.
 */
export function hardwareOf(link: Link, { sys }: Pick<SystemRoots, 'sys'>): LinkHardware {
  const device = link.device
    ? join(sys, 'bus', link.device.bus, 'devices', link.device.name)
    : ofOldKernel(link, sys)
  if (device === null || !existsSync(device)) return NOTHING
  const path = realpathSync(device)
  const told = path.startsWith(sys) ? `/sys${path.slice(sys.length)}` : path
  return {
    path: told.length > LONGEST_PATH ? null : told,
    driver: linkedName(join(path, 'driver')),
    wifi: existsSync(join(path, 'ieee80211')),
    wwan: existsSync(join(path, 'wwan')) || existsSync(join(path, 'usbmisc')),
    usbPort: usbPortOf(path),
  }
}

/** The class's entry, where it is of this very interface. */
function ofOldKernel({ name, index }: Link, sys: string): string | null {
  const entry = join(sys, 'class/net', name)
  try {
    if (Number(readFileSync(join(entry, 'ifindex'), 'utf8')) !== index) return null
  } catch {
    return null
  }
  const device = join(entry, 'device')
  return existsSync(device) ? device : null
}

function linkedName(path: string): string | null {
  try {
    return basename(readlinkSync(path))
  } catch {
    return null
  }
}

/** `…/usb1/1-1/1-1.2/1-1.2:1.4`: the last device before the interface with its colon. */
function usbPortOf(path: string): string | null {
  const ports = path.split('/').filter((part) => /^\d+-\d+(\.\d+)*$/.test(part))
  return ports.at(-1) ?? null
}
