import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { readPicture } from '../../../server/slates/read-picture.ts'
import { SlatePictures } from '../../../server/slates/slate-pictures.ts'
import { MAX_KEPT_BYTES, uprightJpeg } from '../../../server/slates/upright-jpeg.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import {
  chunk,
  claimingSize,
  coloursOf,
  exif,
  fourColours,
  JPEG,
  PNG,
  withChunk,
  withSegment,
} from './picture-files.ts'
import { ffmpeg } from './read-slate.ts'

const UPRIGHT = 'red lime blue white'
const never = new AbortController().signal
const kept = (bytes: Buffer) => uprightJpeg(readPicture(bytes), never)

/** Filters that turn an upright picture into what a camera stores, by its orientation. */
const STORED = [
  '',
  ',hflip',
  ',hflip,vflip',
  ',vflip',
  ',transpose=cclock_flip',
  ',transpose=cclock',
  ',transpose=clock_flip',
  ',transpose=clock',
]

for (const [index, filter] of STORED.entries()) {
  test.serial(`a photograph of orientation ${index + 1} comes out upright`, async (t) => {
    const jpeg = withSegment(await fourColours(filter, JPEG), 0xe1, exif(index + 1, index % 2 ? 'II' : 'MM'))
    const { jpeg: made, width, height } = await kept(jpeg)
    t.deepEqual({ width, height }, { width: 64, height: 32 })
    t.is(await coloursOf(made, { width, height }), UPRIGHT)
    t.is(readPicture(made).orientation, 1)
    t.is(made.indexOf('Exif'), -1)
  })
}

const PNGS = ['rgb24', 'rgba', 'rgb48be', 'rgba64be', 'pal8', 'gray', 'gray16be', 'ya8', 'monob'] as const
for (const format of PNGS) {
  test.serial(`a PNG of ${format} is taken`, async (t) => {
    const png = await fourColours('', `${PNG} -pix_fmt ${format}`)
    const { jpeg, width, height } = await kept(png)
    const colours = await coloursOf(jpeg, { width, height })
    if (/rgb|pal/.test(format)) t.is(colours, UPRIGHT)
    else t.true(colours.endsWith('white'), colours)
  })
}

test.serial('what is transparent shows our ground', async (t) => {
  const clear = await fourColours(
    ",format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,32),0,255)'",
    PNG,
  )
  const { jpeg, width, height } = await kept(clear)
  t.is(await coloursOf(jpeg, { width, height }), 'black lime black white')
})

test.serial('a JPEG in grey, of 4:2:0, or with restart markers is taken', async (t) => {
  for (const format of ['gray', 'yuvj420p', 'yuvj422p']) {
    const { jpeg, width, height } = await kept(
      await fourColours('', `-f image2pipe -c:v mjpeg -pix_fmt ${format} -q:v 2`),
    )
    const colours = await coloursOf(jpeg, { width, height })
    if (format === 'gray') t.regex(colours, /white$/)
    else t.is(colours, UPRIGHT)
  }
})

test.serial('a large picture is kept smaller, and a noisy one in fewer bytes', async (t) => {
  const size = { width: 6000, height: 4000 }
  const large = await kept(await fourColours('', `${PNG} -pix_fmt rgb48be`, size))
  t.deepEqual([large.width, large.height], [2560, 1707])
  t.is(await coloursOf(large.jpeg, large), UPRIGHT)
  const noisy = await ffmpeg(
    [
      '-f',
      'lavfi',
      '-i',
      'color=gray:s=2000x1200',
      '-vf',
      'noise=alls=100',
      '-frames:v',
      '1',
      ...`${JPEG} pipe:1`.split(' '),
    ],
    new Uint8Array(),
  )
  t.true(noisy.length > MAX_KEPT_BYTES)
  const { jpeg } = await kept(noisy)
  t.true(jpeg.length <= MAX_KEPT_BYTES)
})

test.serial('nothing of the file but its picture is kept', async (t) => {
  const script = Buffer.from('<script>alert(1)</script>')
  const [png, jpeg] = await Promise.all([fourColours('', PNG), fourColours('', JPEG)])
  const files = {
    'a PNG with a page behind it': Buffer.concat([png, script]),
    'a PNG with a page in a text': withChunk(png, 'tEXt', script),
    'a PNG with a page for a profile': withChunk(png, 'iCCP', script),
    'a JPEG with a page behind it': Buffer.concat([jpeg, script]),
    'a JPEG with a page in a comment': withSegment(jpeg, 0xfe, script),
    'a JPEG with a page for an application': withSegment(jpeg, 0xe2, script),
    'a JPEG with another picture behind it': Buffer.concat([jpeg, jpeg, script]),
    'a JPEG with a page for EXIF': withSegment(jpeg, 0xe1, Buffer.concat([exif(1), script])),
  }
  for (const [what, file] of Object.entries(files)) {
    t.is(readPicture(file).bytes.indexOf(script), -1, what)
    const { jpeg: made, width, height } = await kept(file)
    t.is(made.indexOf(script), -1, what)
    t.is(await coloursOf(made, { width, height }), UPRIGHT, what)
  }
})

/** Bytes behind the first segment of a frame (SOF0), changed. */
function withFrame(jpeg: Buffer, change: (frame: Buffer) => void, marker = 0xc0): Buffer {
  const copy = Buffer.from(jpeg)
  const at = copy.indexOf(Buffer.from([0xff, 0xc0]))
  copy[at + 1] = marker
  change(copy.subarray(at + 4))
  return copy
}

test.serial('what is no picture, or not one for a slate, is refused with what would be right', async (t) => {
  const [png, jpeg, animated] = await Promise.all([
    fourColours('', PNG),
    fourColours('', JPEG),
    ffmpeg('-f lavfi -i testsrc=s=64x32:r=5:d=1 -f apng pipe:1'.split(' '), new Uint8Array()),
  ])
  const head = jpeg.subarray(0, 2)
  const wrong: Record<string, readonly [bytes: Buffer, says: RegExp]> = {
    nothing: [Buffer.alloc(0), /neither PNG nor JPEG/],
    text: [Buffer.from('hello'), /neither PNG nor JPEG/],
    'a GIF': [Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1'), /neither PNG nor JPEG/],
    'an SVG': [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /neither PNG nor JPEG/],
    'a playlist': [Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'), /neither PNG nor JPEG/],
    'an animated PNG': [animated, /animated/],
    'a PNG of 100 Mpx': [claimingSize(png, 10_000, 10_000), /10000x10000 pixels/],
    'a PNG of 2^31 pixels a side': [claimingSize(png, 2 ** 31 - 1, 2 ** 31 - 1), /pixels/],
    'a PNG as long as a cable': [claimingSize(png, 20_000, 1), /20000x1 pixels/],
    'a PNG without pixels': [claimingSize(png, 0, 32), /no pixels/],
    'a PNG that needs more than it has': [withChunk(png, 'XXXX', Buffer.alloc(3)), /more than PNG/],
    'a PNG with two heads': [withChunk(png, 'IHDR', Buffer.alloc(13)), /no PNG/],
    'a PNG with nothing but its head': [
      Buffer.concat([png.subarray(0, 33), chunk('IEND', Buffer.alloc(0))]),
      /cut off/,
    ],
    'a PNG whose pixels end early': [claimingSize(png, 64, 4000), /can not be decoded|no picture/],
    'a PNG that is damaged': [
      Buffer.concat([png.subarray(0, 50), Buffer.from([1]), png.subarray(51)]),
      /damaged|cut off/,
    ],
    'a JPEG of 65535x65535': [withFrame(jpeg, (frame) => frame.fill(0xff, 1, 5)), /65535x65535 pixels/],
    'a JPEG of CMYK': [withFrame(jpeg, (frame) => frame.fill(4, 5, 6)), /CMYK|cut off/],
    'a JPEG of 12 bits': [withFrame(jpeg, (frame) => frame.fill(12, 0, 1)), /kind of JPEG/],
    'a JPEG without loss': [withFrame(jpeg, () => {}, 0xc3), /kind of JPEG/],
    'a JPEG with arithmetic codes': [withFrame(jpeg, () => {}, 0xc9), /kind of JPEG/],
    'a JPEG with nothing in it': [Buffer.concat([head, Buffer.from([0xff, 0xd9])]), /no pixels/],
    'a JPEG with segments of no length': [Buffer.concat([head, Buffer.from([0xff, 0xe0, 0, 0])]), /damaged/],
    'a JPEG whose segment is longer than it': [
      Buffer.concat([head, Buffer.from([0xff, 0xe0, 0xff, 0xff])]),
      /cut off/,
    ],
  }
  for (const [what, [bytes, says]] of Object.entries(wrong)) {
    const error = await t.throwsAsync(async () => await kept(bytes), { instanceOf: CodedError }, what)
    t.is(error?.code, 'slate_invalid', what)
    t.regex(error!.message, says, what)
    t.true(error!.details.length > 0, what)
  }
})

test.serial('a file that is cut off anywhere is refused', async (t) => {
  const files = [await fourColours('', PNG), await fourColours('', JPEG)]
  for (const file of files) {
    t.notThrows(() => readPicture(file))
    for (let length = 0; length < file.length; length += 1)
      t.throws(() => readPicture(file.subarray(0, length)), { code: 'slate_invalid' }, `${length} bytes`)
  }
})

test.serial('whatever is spoilt gives a picture or a clear error', async (t) => {
  const random = new SeededRandom('slate pictures')
  const files = [
    await fourColours('', PNG),
    await fourColours('', JPEG),
    withSegment(await fourColours('', JPEG), 0xe1, exif(6)),
  ]
  let decoded = 0
  for (let round = 0; round < 3000; round += 1) {
    const file = Buffer.from(files[round % files.length]!)
    for (let change = random.below(4); change >= 0; change -= 1)
      file[random.below(file.length)] = random.below(256)
    try {
      const picture = readPicture(file)
      // Each decoding is a process.
      if (decoded >= 40) continue
      decoded += 1
      await uprightJpeg(picture, never)
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'slate_invalid') throw error
    }
  }
  t.is(decoded, 40)
})

test.serial('reading a file of the largest size takes a few ms', async (t) => {
  const png = await fourColours('', PNG)
  const pieces = (count: number, body: number) => {
    const texts = Array.from({ length: count }, () => chunk('tEXt', Buffer.alloc(body)))
    return Buffer.concat([png.subarray(0, 33), ...texts, png.subarray(33)])
  }
  const many = pieces(4900, 400)
  t.throws(() => readPicture(pieces(300_000, 0)), { message: /too many pieces/ })
  const jpeg = await fourColours('', JPEG)
  const stuffed = Buffer.concat([
    jpeg.subarray(0, -2),
    Buffer.alloc(2 * 1024 * 1024 - jpeg.length, Buffer.from([0xff, 0])),
    jpeg.subarray(-2),
  ])
  for (const file of [many, stuffed]) {
    const startedAt = process.cpuUsage()
    readPicture(file)
    const { user, system } = process.cpuUsage(startedAt)
    t.log(`${(user + system) / 1000} ms`)
    t.true((user + system) / 1000 < 60)
  }
})

test.serial('without ffmpeg, or with one that hangs, an upload is refused for now', async (t) => {
  const png = await fourColours('', PNG)
  const error = await t.throwsAsync(uprightJpeg(readPicture(png), never, '/nowhere/ffmpeg'), {
    instanceOf: CodedError,
  })
  t.is(error?.code, 'slates_unavailable')
  t.deepEqual(error?.details, ['install ffmpeg where the hub runs'])
  t.is(error?.hints.resource, 'ffmpeg')
})

test.serial("each tenant has its own picture, and a deleted tenant's is gone", async (t) => {
  await using store = await openMemoryStore()
  const pictures = new SlatePictures({ store, now: () => 5 })
  const signal = never
  t.is(await pictures.pictureOf('a'), null)
  const info = await pictures.put('a', readPicture(await fourColours('', PNG)), 'hub', { signal })
  await pictures.put('b', readPicture(await fourColours(',hflip', PNG)), 'hub', { signal })
  t.is(info.version, 1)
  t.is(await coloursOf((await pictures.pictureOf('a'))!.jpeg, info), UPRIGHT)
  t.is(await coloursOf((await pictures.pictureOf('b'))!.jpeg, info), 'lime red white blue')
  t.not((await pictures.pictureOf('a'))!.key, (await pictures.pictureOf('b'))!.key)
  t.is(info.bytes, (await pictures.get('a')).jpeg.length)
  await t.throwsAsync(
    pictures.put('a', readPicture(await fourColours('', PNG)), 'hub', { signal, expectedVersion: 0 }),
    {
      code: 'version_conflict',
    },
  )
  await store.write([pictures.removal('a')])
  t.is(await pictures.pictureOf('a'), null)
  await t.throwsAsync(pictures.get('a'), { code: 'slate_not_found' })
  await pictures.remove('b', 'hub')
  const trail = await store.auditPage(null, { limit: 10 })
  t.deepEqual(
    trail.map(({ tenant_id, action }) => `${tenant_id} ${action}`),
    ['a slate.change', 'b slate.change', 'b slate.delete'],
  )
})
