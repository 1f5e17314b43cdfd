import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CodedError, messageOf } from '../../common/errors.ts'
import { ristVersion } from '../../common/rist/librist.ts'
import { hasElement, loadGstreamer } from '../encoder/gstreamer.ts'
import { type Finding, findingsOf } from './finding.ts'

/** GStreamer's elements by what they are for, and the Debian package that brings them. */
const ELEMENTS: readonly {
  readonly element: string
  readonly purpose: string
  readonly from: string
  readonly isNeeded: boolean
}[] = [
  { element: 'videoconvert', purpose: 'pictures', from: 'gstreamer1.0-plugins-base', isNeeded: true },
  { element: 'opusenc', purpose: 'sound', from: 'gstreamer1.0-plugins-base', isNeeded: true },
  { element: 'v4l2src', purpose: 'cameras', from: 'gstreamer1.0-plugins-good', isNeeded: false },
  { element: 'alsasrc', purpose: 'sound cards', from: 'gstreamer1.0-alsa', isNeeded: false },
  { element: 'rtspsrc', purpose: 'RTSP cameras', from: 'gstreamer1.0-plugins-good', isNeeded: false },
  { element: 'srtsrc', purpose: 'SRT cameras', from: 'gstreamer1.0-plugins-bad', isNeeded: false },
  { element: 'h264parse', purpose: 'H.264 as it comes', from: 'gstreamer1.0-plugins-bad', isNeeded: false },
]
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
/** Of capabilities(7). */
const CAP_NET_ADMIN = 12

/** Whether the libraries, programs and rights are there that a sender needs. */
export function machineFindings(status: string, path: string | undefined): readonly Finding[] {
  return [...libraryFindings(), ...routeFindings(status, path)]
}

function libraryFindings(): readonly Finding[] {
  const { fine, warning, fault } = findingsOf('libraries')
  const findings: Finding[] = []
  try {
    findings.push(fine(`librist ${ristVersion()}`))
  } catch (error) {
    findings.push(fault(messageOf(error), 'apt install librist4'))
  }
  try {
    loadGstreamer()
  } catch (error) {
    const [how] = error instanceof CodedError ? error.details : []
    return [...findings, fault(messageOf(error), how ?? 'apt install gstreamer1.0-plugins-base')]
  }
  const missing = ELEMENTS.filter(({ element }) => !hasElement(element))
  if (missing.length === 0) findings.push(fine('GStreamer has what every source needs'))
  for (const { element, purpose, from, isNeeded } of missing) {
    const finding = isNeeded ? fault : warning
    findings.push(finding(`GStreamer has no ${element}, for ${purpose}`, `apt install ${from}`))
  }
  return findings
}

/** @param status of this process, /proc/self/status */
function routeFindings(status: string, path: string | undefined): readonly Finding[] {
  const { fine, warning, unknown } = findingsOf('routes')
  if (!hasProgram('ip', path)) return [warning('there is no program ip', 'apt install iproute2')]
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  if ((effective & (1n << BigInt(CAP_NET_ADMIN))) !== 0n)
    return [fine('links can be bound to their interfaces')]
  return [
    unknown(
      'this user may not bind links to interfaces',
      'call the doctor as root: the agent of the package may',
    ),
  ]
}

function hasProgram(name: string, path = ''): boolean {
  return [...path.split(delimiter).filter((folder) => folder.startsWith('/')), ...SYSTEM_FOLDERS].some(
    (folder) => {
      try {
        accessSync(join(folder, name), constants.X_OK)
        return true
      } catch {
        return false
      }
    },
  )
}
