import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cachedMedia } from './media-cache.ts'

const run = promisify(execFile)
const SOURCE = fileURLToPath(new URL('./v4l2-camera.c', import.meta.url))
/** Changed with what this file does to frames: those in the cache are of no use then. */
const VERSION = 1
const [WIDTH, HEIGHT, FPS, FRAMES] = [640, 360, 30, 60]

/** What a camera delivers. `h264-b`: H.264 with B-frames. */
export type CameraFormat = 'raw' | 'mjpeg' | 'h264' | 'h264-b'
export type CameraState = 'ok' | 'gone' | 'slow' | 'garbage' | 'silent'

/** A capture device of 640x360 and 30 pictures a second that programs with {@link cameraEnvironment} find. */
export interface V4l2Camera extends Disposable {
  readonly device: string
  /** From the next picture on. @param ageMs how long before its delivery each picture was captured */
  become(state: CameraState, ageMs?: number): void
  /** Pulls the plug, or puts it in again. */
  plug(isIn: boolean): void
}

let folder: string | undefined

/**
 * The environment of a program that finds the cameras, in a folder of this process's own. The library is compiled once.
 */
export async function cameraEnvironment(): Promise<Readonly<Record<string, string>>> {
  const version = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16)
  const library = await cachedMedia(`v4l2-camera-${version}.so`, async (path) => {
    await run('cc', [
      '-std=c11',
      '-O2',
      '-shared',
      '-fPIC',
      '-fvisibility=hidden',
      '-o',
      path,
      SOURCE,
      '-ldl',
    ])
  })
  // A configuration names capture devices below /dev.
  folder ??= mkdtempSync('/dev/shm/lanecast-cameras-')
  // Programs of other users find cameras, too.
  chmodSync(folder, 0o755)
  return { CAMERA_FOLDER: folder, LD_PRELOAD: library }
}

/** Lets every program that this process starts from now on find the cameras. */
export async function preloadCameras(): Promise<void> {
  Object.assign(process.env, await cameraEnvironment())
}

/** Call it when all programs with cameras have ended. */
export function removeCameras(): void {
  delete process.env['LD_PRELOAD']
  if (folder) rmSync(folder, { recursive: true, force: true })
}

export async function plugCamera(name: string, formats: readonly CameraFormat[]): Promise<V4l2Camera> {
  if (!folder) throw new Error('ask for cameraEnvironment() first')
  const device = join(folder, name)
  const modes = await Promise.all(
    formats.map(async (format) => `${FOURCC[format]} ${WIDTH} ${HEIGHT} ${FPS} ${await frames(format)}`),
  )
  writeFileSync(`${device}.modes`, modes.join('\n'))
  const become = (state: CameraState, ageMs = 0): void =>
    writeFileSync(`${device}.state`, `${state} ${ageMs}`)
  const plug = (isIn: boolean): void => {
    if (isIn) symlinkSync('/dev/null', device)
    else rmSync(device, { force: true })
  }
  become('ok')
  plug(true)
  return { device, become, plug, [Symbol.dispose]: () => plug(false) }
}

const FOURCC = { raw: 'YUYV', mjpeg: 'MJPG', h264: 'H264', 'h264-b': 'H264' } as const

const CODED = {
  raw: ['-pix_fmt', 'yuyv422', '-f', 'rawvideo'],
  mjpeg: ['-pix_fmt', 'yuvj422p', '-c:v', 'mjpeg', '-q:v', '5', '-f', 'image2pipe'],
  h264: h264(0),
  'h264-b': h264(2),
} as const

/** An IDR a second, and a delimiter before each picture. */
function h264(bFrames: number): readonly string[] {
  const settings = `keyint=30:min-keyint=30:scenecut=0:bframes=${bFrames}:aud=1:repeat-headers=1`
  const rate = ['-b:v', '800k', '-maxrate', '800k', '-bufsize', '200k']
  return ['-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-threads', '1', ...rate].concat([
    '-x264-params',
    settings,
    '-f',
    'h264',
  ])
}

/** A frames file of this format, from the cache. */
function frames(format: CameraFormat): Promise<string> {
  return cachedMedia(`v4l2-${format}-${VERSION}.frames`, async (path) => {
    const card = ['-f', 'lavfi', '-i', `testsrc2=size=${WIDTH}x${HEIGHT}:rate=${FPS}`]
    const { stdout } = await run(
      'ffmpeg',
      [
        '-hide_banner',
        '-loglevel',
        'error',
        '-nostdin',
        ...card,
        '-frames:v',
        String(FRAMES),
        ...CODED[format],
        '-',
      ],
      { encoding: 'buffer', maxBuffer: 1 << 28 },
    )
    const parts = cut(format, stdout).flatMap((frame) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(frame.length)
      return [length, frame]
    })
    writeFileSync(path, Buffer.concat(parts))
  })
}

function cut(format: CameraFormat, all: Buffer): Buffer[] {
  if (format === 'raw') {
    const size = WIDTH * HEIGHT * 2
    return Array.from({ length: all.length / size }, (_, index) =>
      all.subarray(index * size, (index + 1) * size),
    )
  }
  const begin = Buffer.from(format === 'mjpeg' ? 'ffd8ff' : '0000000109', 'hex')
  const starts: number[] = []
  for (let at = all.indexOf(begin); at >= 0; at = all.indexOf(begin, at + 1)) starts.push(at)
  return starts.map((start, index) => all.subarray(start, starts[index + 1] ?? all.length))
}
