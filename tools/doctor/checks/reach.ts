import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, isIP } from 'node:net'
import { messageOf } from '../../../common/errors.ts'
import { SETTINGS } from '../../../server/config/settings.ts'
import { secureTurnHostOf, turnHostOf, turnIpOf } from '../../../server/relays/turn-place.ts'
import { tlsRequirement } from '../../../server/tls/tls-requirement.ts'
import { type Check, type DoctorContext, type Finding, fine, named, unknown, warning } from '../check.ts'

const WAIT_MS = 3000

/**
 * Whether the announced addresses lead to this hub, as seen from this machine. Many routers don't lead a machine back
 * to itself: what fails here may work for others, so it is no fault.
 */
export const reach: Check = {
  name: 'reach',
  async run(context) {
    const { config, addresses, hubRuns } = context
    const { rtc, rist } = addresses.announced
    const findings: Finding[] = []
    if (config.rtcPort !== 0) {
      findings.push(await tcp(context, rtc, config.rtcIp, config.rtcPort, SETTINGS.rtcPort))
      findings.push(await udp(hubRuns, rtc, config.rtcIp, config.rtcPort, SETTINGS.rtcPort))
    }
    findings.push(await udp(hubRuns, rist, config.ristIp, config.ristPorts[0], SETTINGS.ristPorts))
    if (config.turnMode === 'embedded' && config.turnPort !== 0) {
      const [host, ip] = [turnHostOf(config, rtc), turnIpOf(config)]
      findings.push(await tcp(context, host, ip, config.turnPort, SETTINGS.turnPort))
      findings.push(await udp(hubRuns, host, ip, config.turnPort, SETTINGS.turnPort))
      if (tlsRequirement(config.bind.host, config).kind === 'tls' && config.turnTlsPort !== 0) {
        const secure = secureTurnHostOf(config, rtc)
        findings.push(await tcp(context, secure, ip, config.turnTlsPort, SETTINGS.turnTlsPort))
      }
    }
    for (const name of config.tlsNames.filter((each) => !each.startsWith('*')))
      if (config.bind.port !== 0)
        findings.push(await tcp(context, name, config.bind.host, config.bind.port, SETTINGS.bind))
    return findings
  },
}

type Names = { readonly env: string; readonly key: string }

async function tcp(
  { hubRuns }: DoctorContext,
  address: string,
  listen: string,
  port: number,
  setting: Names,
): Promise<Finding> {
  const where = `TCP ${address}:${port}`
  const server = createServer((socket) => socket.end())
  try {
    if (!hubRuns) {
      server.listen({ host: listen, port })
      await once(server, 'listening')
    }
    const signal = AbortSignal.timeout(WAIT_MS)
    const attempt = connect({ host: address, port })
    try {
      await once(attempt, 'connect', { signal })
    } finally {
      attempt.destroy()
    }
    return fine(where, 'a connection from this machine arrives')
  } catch (error) {
    return notReached(where, error, setting, 'TCP')
  } finally {
    server.close()
  }
}

async function udp(
  hubRuns: boolean,
  address: string,
  listen: string,
  port: number,
  setting: Names,
): Promise<Finding> {
  const where = `UDP ${address}:${port}`
  if (hubRuns)
    return unknown(
      where,
      'the running hub has the port: only with the hub stopped can packets to it be tried',
    )
  const kind = isIP(listen) === 6 ? 'udp6' : 'udp4'
  const [listener, sender] = [createSocket(kind), createSocket(kind)]
  const word = Buffer.from(`lanecast doctor ${process.pid}`)
  try {
    listener.bind(port, listen)
    await once(listener, 'listening')
    const arrived = new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no packet in ${WAIT_MS / 1000} s`)), WAIT_MS)
      sender.on('error', reject)
      listener.on('message', (datagram) => {
        if (!datagram.equals(word)) return
        clearTimeout(late)
        resolve()
      })
    })
    sender.send(word, port, address)
    await arrived
    return fine(where, 'a packet from this machine arrives')
  } catch (error) {
    return notReached(where, error, setting, 'UDP')
  } finally {
    listener.close()
    sender.close()
  }
}

function notReached(where: string, error: unknown, setting: Names, kind: string): Finding {
  const why =
    error instanceof Error && error.name === 'AbortError'
      ? `no answer in ${WAIT_MS / 1000} s`
      : messageOf(error)
  return warning(
    where,
    `it can't be reached from this machine: ${why}`,
    `let the firewall and the router lead ${kind} ${where.split(':').at(-1)} to this machine (${named(setting)}); if they do, try from another network: many routers don't lead a machine back to itself`,
  )
}
