import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const run = promisify(execFile)

const NAME = 'org.freedesktop.ModemManager1'
const MANAGER = '/org/freedesktop/ModemManager1'
const OBJECTS = 'org.freedesktop.DBus.ObjectManager'
const MOCK = 'org.freedesktop.DBus.Mock'
export const MODEM = `${NAME}.Modem`
export const NETWORK = `${MODEM}.Modem3gpp`
export const BEARER = `${NAME}.Bearer`

/** A bus of its own, with a ModemManager on it that does as it is told (python-dbusmock). Values are GVariant texts. */
export interface MockModemManager extends AsyncDisposable {
  /** Path of the bus's socket. */
  readonly bus: string
  start(): Promise<void>
  stop(): Promise<void>
  /** @param properties such as `{'Model': <'EC25'>}` */
  add(path: string, interfaceName: string, properties: string): Promise<void>
  /** Further properties of an object, of another interface, without a signal. */
  extend(path: string, interfaceName: string, properties: string): Promise<void>
  /** Changes a property, and tells it. */
  set(path: string, interfaceName: string, property: string, value: string): Promise<void>
  remove(path: string): Promise<void>
  /** Ends the bus, and lets a new one begin at the same path. */
  restartBus(): Promise<void>
}

export async function openMockModemManager(): Promise<MockModemManager> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'dbus-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const bus = join(folder, 'bus')
  const address = `unix:path=${bus}`
  const config = join(folder, 'bus.conf')
  await writeFile(config, configuration(address))

  let daemon: AsyncDisposable = await startBus()
  let service: AsyncDisposable | null = null
  stack.defer(async () => {
    await service?.[Symbol.asyncDispose]()
    await daemon[Symbol.asyncDispose]()
  })

  async function startBus() {
    await rm(bus, { force: true })
    const started = program('dbus-daemon', ['--nofork', '--nopidfile', `--config-file=${config}`])
    await until(() => existsSync(bus), 'the bus listens')
    return started
  }
  const call = (path: string, method: string, ...args: string[]) =>
    run('gdbus', [
      'call',
      '--address',
      address,
      '--dest',
      NAME,
      '--object-path',
      path,
      '--method',
      method,
      ...args,
    ])

  const tell = (signal: string, signature: string, values: string) =>
    call(MANAGER, `${MOCK}.EmitSignal`, OBJECTS, signal, signature, values)

  const mock: Omit<MockModemManager, typeof Symbol.asyncDispose> = {
    bus,
    async start() {
      const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: address }
      const args = ['-m', 'dbusmock', '--system', '-m', NAME, MANAGER, NAME]
      service = program('/usr/bin/python3', args, env)
      const up = () =>
        call(MANAGER, `${OBJECTS}.GetManagedObjects`).then(
          () => true,
          () => false,
        )
      await until(up, 'the mock has its name')
    },
    async stop() {
      await service?.[Symbol.asyncDispose]()
      service = null
    },
    async add(path, interfaceName, properties) {
      await call(MANAGER, `${MOCK}.AddObject`, path, interfaceName, properties, '[]')
      const all = `<@a{sa{sv}} {'${interfaceName}': ${properties}}>`
      await tell('InterfacesAdded', 'oa{sa{sv}}', `[<objectpath '${path}'>, ${all}]`)
    },
    async extend(path, interfaceName, properties) {
      await call(path, `${MOCK}.AddProperties`, interfaceName, properties)
    },
    async set(path, interfaceName, property, value) {
      await call(path, 'org.freedesktop.DBus.Properties.Set', interfaceName, property, value)
    },
    async remove(path) {
      await call(MANAGER, `${MOCK}.RemoveObject`, path)
      await tell('InterfacesRemoved', 'oas', `[<objectpath '${path}'>, <['${MODEM}']>]`)
    },
    async restartBus() {
      await mock.stop()
      await daemon[Symbol.asyncDispose]()
      daemon = await startBus()
    },
  }
  const owned = stack.move()
  return { ...mock, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Anybody may do anything on this bus. */
function configuration(address: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>${address}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy>
</busconfig>`
}

/** A program that runs until it is disposed of. */
function program(command: string, args: readonly string[], env = process.env): AsyncDisposable {
  const child = spawn(command, args, { stdio: 'ignore', env })
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
