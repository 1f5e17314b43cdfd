import { open } from 'node:fs/promises'
import { TestCardPicture } from '../../agent/encoder/test-card-picture.ts'
import { cachedMedia } from './media-cache.ts'

/** Changed with what is drawn: other files in the cache are of no use then. */
const VERSION = 1
const [WIDTH, HEIGHT, FPS, PICTURES] = [640, 360, 20, 60] as const

/**
 * A flag that gives Chromium a fake camera whose pictures are those of a test card, again and again, so that a
 * publisher's page is known by its name. The file comes from the cache in the system's temporary folder.
 */
export async function cardCamera(name: string): Promise<string> {
  const path = await cachedMedia(`camera-${name}-${VERSION}.y4m`, (to) => write(to, name))
  return `--use-file-for-fake-video-capture=${path}`
}

async function write(path: string, name: string): Promise<void> {
  const card = new TestCardPicture({ name, width: WIDTH, height: HEIGHT })
  await using file = await open(path, 'w')
  await file.write(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420\n`)
  for (let picture = 0; picture < PICTURES; picture += 1) {
    card.draw(Math.round((picture * 1000) / FPS))
    await file.write('FRAME\n')
    await file.write(card.data)
  }
}
