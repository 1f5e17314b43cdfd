import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freeTcpPorts } from './tcp-ports.ts'

const PROGRAM = fileURLToPath(new URL('./rtsp-camera-main.ts', import.meta.url))

export interface RtspCameraReport {
  readonly type: 'ready'
}

export interface RtspCameraOptions {
  /** The same port as before: the camera is back. */
  readonly port?: number
  /** Payloaders `pay0` (pictures) and `pay1` (sound), in the words of `gst-launch`. */
  readonly launch: string
  readonly login?: { readonly username: string; readonly password: string }
}

export interface RtspCamera extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly pid: number
}

/** A camera of the network: gst-rtsp-server in a process of its own. Disposal kills it. */
export async function startRtspCamera({ port: asked, ...options }: RtspCameraOptions): Promise<RtspCamera> {
  const port = asked ?? (await freeTcpPorts(1))[0]!
  const child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
  const exited = once(child, 'exit')
  child.send({ port, ...options })
  await Promise.race([
    once(child, 'message'),
    exited.then(([code, signal]) => {
      throw new Error(`the camera ended with ${code ?? signal}`)
    }),
  ])
  exited.catch(() => {})
  return {
    url: `rtsp://127.0.0.1:${port}/live`,
    port,
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
