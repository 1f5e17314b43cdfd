import type { PictureSize } from '../../policy/viewed-stream.ts'
import type { Ground } from './slate-script.ts'

/** What is behind a picture of another shape is made from so many times fewer pixels: it is blurred anyway. */
const COARSE = 8

/**
 * ffmpeg's filters that make a slate of one input picture, as a chain from `[0:v]`. Words are drawn while the colours have
 * their full resolution. Colours come out as ITU-R BT.709 in the range of video.
 * @param script of `slateScript`
 */
export function slateGraph(size: PictureSize, script: string, ground: Ground): string {
  const fill = ground === 'own' ? `scale=${sizeOf(size)}:flags=bicubic` : onItself(size)
  // Base64 keeps the script's text away from the syntax of graphs.
  const words = `subtitles=filename='data\\:text/plain;base64,${Buffer.from(script).toString('base64')}'`
  return `format=gbrp,${fill},setsar=1,format=rgb24,${words},scale=out_color_matrix=bt709:out_range=tv,format=yuv420p`
}

/** The whole picture; where the shapes differ, on itself, larger, blurred and darker. */
function onItself(size: PictureSize): string {
  const coarse = sizeOf({ width: Math.ceil(size.width / COARSE), height: Math.ceil(size.height / COARSE) })
  const sigma = Math.max(2, Math.min(size.width, size.height) / 100).toFixed(1)
  const dark = ['r', 'g', 'b'].map((channel) => `${channel}=val*0.4`).join(':')
  return [
    'split[a][b];[a]',
    `scale=${coarse}:force_original_aspect_ratio=increase,crop=${coarse},gblur=sigma=${sigma},lutrgb=${dark},`,
    `scale=${sizeOf(size)}:flags=bicubic[back];[b]`,
    `scale=${sizeOf(size)}:force_original_aspect_ratio=decrease:flags=lanczos[front];`,
    '[back][front]overlay=(W-w)/2:(H-h)/2:format=gbrp',
  ].join('')
}

function sizeOf({ width, height }: PictureSize): string {
  return `${width}:${height}`
}
