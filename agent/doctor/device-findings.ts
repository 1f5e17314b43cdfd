import type { NodeConfig } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { type Finding, findingsOf } from './finding.ts'

/** From here on heat slows most boards' cores, degrees Celsius. */
const HOT_C = 85
/** Pictures a second at 1280x720 below which an encoder has no room for a second rendition. */
const SLOW_FPS = 45
/** Room on the disk and in memory below which it gets tight, MB. */
const LITTLE = { disk: 500, memory: 100 } as const
/** A clock that is this far off shows in logs and certificates, ms. Pictures are stamped by the hub's clock all the same. */
const CLOCK_OFF_MS = 60_000
const WEAK_SIGNAL_PERCENT = 25

/** What the device's own report says about how it will do. Pure. @param config what it is to do, as far as that is known */
export function deviceFindings(report: NodeReport, config: NodeConfig): readonly Finding[] {
  return [
    ...uplinkFindings(report, config),
    ...modemFindings(report),
    ...inputFindings(report, config),
    ...encoderFindings(report),
    ...systemFindings(report),
    ...clockFindings(report),
  ]
}

function uplinkFindings({ interfaces = [] }: NodeReport, { uplinks }: NodeConfig): readonly Finding[] {
  const { fine, warning, fault } = findingsOf('uplinks')
  const known = interfaces.filter(({ link_id }) => link_id !== null)
  const working = known.filter(({ carrier, addresses }) => carrier && addresses.length > 0)
  const findings = working.map(({ link_id, name, kind, addresses }) =>
    fine(`${link_id}: ${kind}, interface ${name}, ${addresses[0]}`),
  )
  for (const { link_id, name, carrier } of known.filter((one) => !working.includes(one)))
    findings.push(
      warning(
        `${link_id}: interface ${name} has no ${carrier ? 'address' : 'carrier'}`,
        carrier ? 'let DHCP or the modem give it one' : 'look after its cable, antenna or SIM',
      ),
    )
  for (const { link_id, interface: wanted } of uplinks.filter(({ enabled }) => enabled))
    if (!known.some((one) => one.link_id === link_id))
      findings.push(
        warning(
          `${link_id}: there is no interface ${wanted}`,
          'plug it in, or mend `uplinks` of the configuration',
        ),
      )
  if (working.length === 0)
    findings.push(
      fault(
        'there is no way to the hub',
        'give an interface an address and a default route; docs/field.md says which count',
      ),
    )
  if (working.length === 1)
    findings.push(warning('there is one uplink: a broadcast is as good as this one', 'add a second one'))
  return findings
}

function modemFindings({ interfaces = [] }: NodeReport): readonly Finding[] {
  const { fine, warning } = findingsOf('modems')
  return interfaces
    .filter(({ kind }) => kind === 'cellular')
    .map(({ name, modem }) => {
      if (!modem)
        return warning(
          `${name}: nobody tells its operator and signal`,
          'apt install modemmanager; sticks with a router inside never tell it',
        )
      const { operator, technology, signal_percent, state } = modem
      const about = `${name}: ${operator ?? 'no operator'}, ${technology ?? 'no technology'}, signal ${signal_percent ?? '?'} %, ${state}`
      if (state === 'locked') return warning(about, 'give the modem the PIN of its SIM: mmcli -i any --pin=…')
      if (state !== 'connected')
        return warning(about, 'connect it, as by NetworkManager: nmcli connection up …')
      if ((signal_percent ?? 100) < WEAK_SIGNAL_PERCENT)
        return warning(about, 'try another place for its antenna')
      return fine(about)
    })
}

function inputFindings({ inputs }: NodeReport, { broadcasts }: NodeConfig): readonly Finding[] {
  const { fine, warning } = findingsOf('inputs')
  if (!inputs) return []
  const findings = inputs
    .filter(({ kind }) => kind !== 'test-card')
    .map(({ device, label, formats }) => {
      const kinds = [...new Set(formats.map(({ format }) => format))].join(', ')
      return fine(`${device}: ${label}${kinds && `, ${kinds}`}`)
    })
  for (const { stream_id, source, on } of broadcasts)
    if (on && source.kind === 'v4l2' && !inputs.some(({ device }) => device === source.device))
      findings.push(
        warning(
          `${stream_id}: ${source.device} is not among the inputs`,
          'plug it in, or name it as it stands here',
        ),
      )
  return findings
}

function encoderFindings({ encoders }: NodeReport): readonly Finding[] {
  const { fine, unknown, warning, fault } = findingsOf('encoders')
  if (!encoders) return [unknown('no encoder was tried yet')]
  const working = encoders.filter(({ works }) => works)
  const [best] = working
  if (!best)
    return [
      fault(
        encoders.map(({ element, reason }) => `${element}: ${reason}`).join('; ') || 'there is no encoder',
        'apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-ugly, or what the board’s maker has for its encoder',
      ),
    ]
  const findings = working.map(({ element, fps_720p }) =>
    fine(`${element} encodes ${fps_720p} pictures a second of 1280x720`),
  )
  if (best.fps_720p !== null && best.fps_720p < SLOW_FPS)
    findings.push(
      warning(
        `${best.element} is slow here`,
        'send one small rendition, take a camera that delivers H.264, or use a board with an encoder',
      ),
    )
  return findings
}

function systemFindings({ system }: NodeReport): readonly Finding[] {
  const { fine, warning, unknown } = findingsOf('system')
  if (!system) return [unknown('load and memory are not known')]
  const { cpu, cores, memory_mb, disk_mb, temperature_c, throttled } = system
  const findings = [
    fine(
      `${cores} cores at ${Math.round(cpu * 100)} %, ${memory_mb.available} MB of memory and ${disk_mb.available} MB of disk are free`,
    ),
  ]
  if (disk_mb.available < LITTLE.disk)
    findings.push(
      warning(
        'the disk is nearly full: little can be kept to be delivered later',
        'delete something, or lower `backlog_mb`',
      ),
    )
  if (memory_mb.available < LITTLE.memory)
    findings.push(warning('memory is nearly full', 'end other programs'))
  if (throttled)
    findings.push(
      warning('the kernel slows the cores, because of heat', 'give the board a fan or a larger heat sink'),
    )
  if ((temperature_c ?? 0) >= HOT_C)
    findings.push(warning(`it is ${temperature_c} °C hot`, 'give the board a fan or shade'))
  return findings
}

function clockFindings({ clock }: NodeReport): readonly Finding[] {
  const { fine, warning, unknown } = findingsOf('clock')
  if (!clock) return [unknown('the hub has not told its time yet')]
  const { ahead_ms, error_ms, synchronised } = clock
  const change = 'let the system keep the time: timedatectl set-ntp true'
  const about = `the clock is ${Math.round(ahead_ms)} ms ahead of the hub's, known to ${Math.round(error_ms)} ms`
  if (Math.abs(ahead_ms) > CLOCK_OFF_MS) return [warning(about, change)]
  return synchronised === false ? [warning('nobody keeps the clock right', change)] : [fine(about)]
}
