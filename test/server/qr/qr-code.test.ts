import { createHash } from 'node:crypto'
import test from 'ava'
import { qrSvg, qrTerminal } from '../../../server/qr/paint-qr.ts'
import { qrCode } from '../../../server/qr/qr-code.ts'
import { capacityOf, MAX_QR_BYTES, QR_SIZES } from '../../../server/qr/qr-sizes.ts'

const rowsOf = (text: string) => qrCode(text).map((row) => [...row].join(''))
const hashOf = (text: string) => createHash('sha256').update(rowsOf(text).join('\n')).digest('hex')

/** The code of "a" as the npm package `qr` 0.7.0 makes it, which its own reader reads. */
const OF_A = [
  '111111100101101111111',
  '100000101011001000001',
  '101110101101001011101',
  '101110101011001011101',
  '101110100100101011101',
  '100000100011001000001',
  '111111101010101111111',
  '000000001100000000000',
  '100000101011011001110',
  '100110000001110111001',
  '001011100110101100000',
  '010101011001111101010',
  '110100111101111111111',
  '000000001100100000101',
  '111111100111010011110',
  '100000100010001000111',
  '101110100111010011100',
  '101110100101111101000',
  '101110100101110111011',
  '100000100011111101000',
  '111111101010100100110',
]

test('a code is what another encoder makes, in small and large sizes and with all kinds of patterns', (t) => {
  t.deepEqual(rowsOf('a'), OF_A)
  // Hashes of codes of the same package: one block, several, blocks of two lengths, a version's own bits, long counts.
  for (const [text, side, hash] of [
    [
      'Grüße aus dem Übertragungswagen',
      29,
      '9f257910c472ce80d3cf1b1e3669756547a8dc7b0a8eae423fb47a4391aa9fd7',
    ],
    ['p'.repeat(100), 41, '8e5242b71a84a85d0d0e6487bcf6828a5c04a44a80433fa810e9de60589d8088'],
    ['y'.repeat(152), 49, '5625f8634f04d680ec911e145b3b672e6db8beda7344a43d38b800bf85acd4e7'],
    ['q'.repeat(181), 57, 'f651b1eae9c3e5113645bdc372a7795b4ade105e207ebf569f40b39578dfda84'],
    [`https://${'z'.repeat(200)}`, 57, '7926cade1d44eb7afa553f2397a7d52106b07761e2e0cee437500164844817dc'],
    ['w'.repeat(287), 65, '79d6d78a2dc6aa6b5f8518b616759a6ba0d398ba13fddf331099ddc2ee3fbfb9'],
  ] as const) {
    t.is(rowsOf(text).length, side)
    t.is(hashOf(text), hash, text.slice(0, 20))
  }
})

test('sizes hold what the standard says, and a longer text is refused', (t) => {
  // ISO/IEC 18004 Table 7: level M, bytes.
  t.deepEqual(QR_SIZES.map(capacityOf), [14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287])
  t.is(MAX_QR_BYTES, 287)
  for (const bytes of [0, 14, 15, 180, 181, 287]) t.notThrows(() => qrCode('x'.repeat(bytes)))
  t.throws(() => qrCode('x'.repeat(288)), { code: 'bad_request' })
})

test('the picture and the lines of a terminal have each dark module, and light around', (t) => {
  const svg = qrSvg(qrCode('a'))
  const dark = OF_A.join('').split('1').length - 1
  t.is(svg.match(/M\d+ \d+h1v1h-1z/g)?.length, dark)
  t.regex(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="232" height="232" viewBox="0 0 29 29"/)
  t.regex(svg, /M4 4h1v1h-1z/)
  const lines = qrTerminal(qrCode('a')).split('\n')
  t.is(lines.pop(), '')
  t.is(lines.length, 15)
  t.true(lines.every((line) => line.length === 29))
  t.regex(lines[0]!, /^█+$/)
  // Rows 0 and 1 of the code: a dark module is a space.
  t.is(lines[2], `████${twoRows(OF_A[0]!, OF_A[1]!)}████`)
})

const twoRows = (top: string, bottom: string) =>
  [...top]
    .map((dark, at) => (dark === '1' ? (bottom[at] === '1' ? ' ' : '▄') : bottom[at] === '1' ? '▀' : '█'))
    .join('')
