import type { SeededRandom } from '../fuzz/seeded-random.ts'

/** Spoils an offer so that most of it stays: what is nearly right reaches deepest. */
export function spoiltOffer(offer: string, random: SeededRandom): string {
  const lines = offer.split('\r\n')
  const changes = 1 + random.below(4)
  for (let change = 0; change < changes; change++) {
    const at = random.below(lines.length)
    const line = lines[at] ?? ''
    const other = lines[random.below(lines.length)] ?? ''
    const spoilt = [
      () => lines.splice(at, 1),
      () => lines.splice(at, 0, other),
      () => lines.splice(at, 1, line.slice(0, random.below(line.length + 1))),
      () =>
        lines.splice(
          at,
          1,
          line.replace(/\d+/, String(random.below(2) ? random.below(300) : 2 ** random.below(60))),
        ),
      () => lines.splice(at, 1, line.replace(/\d+/, /\d+/.exec(other)?.[0] ?? '-1')),
      () => lines.splice(at, 1, line.replace(/:.*$/, `:${other.slice(other.indexOf(':') + 1)}`)),
      () => lines.splice(at, 1, `${line.slice(0, 2)}${'x'.repeat(random.below(5000))}`),
      () => lines.splice(at, 1, `${line} ${String.fromCodePoint(random.below(0x2000))}`),
      () =>
        lines.splice(
          at,
          1,
          line.replace(/[a-z]+/i, ['__proto__', 'constructor', 'null', ''][random.below(4)]!),
        ),
      () => lines.splice(0, lines.length, ...lines.slice(at), ...lines.slice(0, at)),
      () => lines.push(...lines.filter((each) => each.startsWith('m=') || random.below(2) === 0)),
    ]
    spoilt[random.below(spoilt.length)]!()
  }
  return lines.join(random.below(10) === 0 ? '\n' : '\r\n')
}
