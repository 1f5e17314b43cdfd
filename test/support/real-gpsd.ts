import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { freeTcpPorts } from './tcp-ports.ts'
import { freeUdpPorts } from './udp-ports.ts'
import { until } from './until.ts'

export interface Fix {
  readonly latitude: number
  readonly longitude: number
  /** Speed, knots. */
  readonly knots: number
  readonly altitude: number
}

/** A gpsd whose receiver is the test. */
export interface RealGpsd extends AsyncDisposable {
  readonly port: number
  /** What a receiver says ten times in a second or so; null: it sees no satellites. */
  receive(fix: Fix | null): void
  stop(): Promise<void>
  start(): Promise<void>
}

export async function openGpsd(): Promise<RealGpsd> {
  const [port = 0] = await freeTcpPorts(1)
  const [nmea = 0] = await freeUdpPorts(1)
  const socket = createSocket('udp4')
  let second = 0
  let stop = async (): Promise<void> => {}
  const start = async (): Promise<void> => {
    const args = ['-N', '-n', '-S', String(port), `udp://127.0.0.1:${nmea}`]
    const child = spawn('/usr/sbin/gpsd', args, { stdio: 'ignore' })
    stop = async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await until(() => listens(port), 'gpsd listens')
  }
  await start()
  return {
    port,
    start,
    stop: () => stop(),
    receive(fix) {
      second += 1
      const words = [rmc(fix, second), gga(fix, second)].map(
        (sentence) => `$${sentence}*${checksum(sentence)}\r\n`,
      )
      socket.send(words.join(''), nmea, '127.0.0.1')
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      await stop()
    },
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = createConnection({ host: '127.0.0.1', port })
  const up = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return up
}

/** Sentences of NMEA 0183: what a receiver knows of place, speed and height. */
function rmc(fix: Fix | null, second: number): string {
  const place = fix ? `A,${degrees(fix)},${fix.knots.toFixed(1)}` : 'V,,,,,'
  return `GPRMC,${clock(second)},${place},084.4,${today()},,,A`
}

function gga(fix: Fix | null, second: number): string {
  const place = fix ? `${degrees(fix)},1,08,0.9,${fix.altitude.toFixed(1)},M,46.9,M` : ',,,,0,00,,,M,,M'
  return `GPGGA,${clock(second)},${place},,`
}

function degrees({ latitude, longitude }: Fix): string {
  const text = (value: number, digits: number): string => {
    const whole = Math.floor(Math.abs(value))
    const minutes = ((Math.abs(value) - whole) * 60).toFixed(5).padStart(8, '0')
    return `${String(whole).padStart(digits, '0')}${minutes}`
  }
  return `${text(latitude, 2)},${latitude < 0 ? 'S' : 'N'},${text(longitude, 3)},${longitude < 0 ? 'W' : 'E'}`
}

const pair = (value: number): string => String(value).padStart(2, '0')

function clock(second: number): string {
  const now = new Date(Date.now() - 600_000 + second * 1000)
  return `${pair(now.getUTCHours())}${pair(now.getUTCMinutes())}${pair(now.getUTCSeconds())}.00`
}

function today(): string {
  const now = new Date()
  return `${pair(now.getUTCDate())}${pair(now.getUTCMonth() + 1)}${pair(now.getUTCFullYear() % 100)}`
}

function checksum(sentence: string): string {
  const sum = Buffer.from(sentence).reduce((all, byte) => all ^ byte, 0)
  return sum.toString(16).toUpperCase().padStart(2, '0')
}
