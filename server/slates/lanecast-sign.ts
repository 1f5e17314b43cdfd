/** Steps of a drawing's coordinates in a pixel: `\p4` divides by 2^3. */
const STEPS = 8
/** Control points of a quarter circle as a Bézier curve, as a share of the radius. */
const ROUND = 0.5523

type Point = readonly [x: number, y: number]

/** Our sign (`web/icon.svg`, in its grid of 32): two lanes that come together, and a light that is off. */
const LANES: readonly (readonly Point[])[] = [
  [
    [6, 11],
    [15, 11],
    [19, 16],
  ],
  [
    [6, 21],
    [15, 21],
    [19, 16],
  ],
  [
    [19, 16],
    [22, 16],
  ],
]
const LIGHT: Point = [26, 16]
const GRID = 22
const CENTRE: Point = [17, 16]

/** Events of an ASS script that draw our sign around a point. @param width pixels */
export function signDrawing(x: number, y: number, width: number): string[] {
  const scale = (width / GRID) * STEPS
  const at = ([px, py]: Point): Point => [(px - CENTRE[0]) * scale, (py - CENTRE[1]) * scale]
  const strokes = LANES.flatMap((lane) =>
    lane.slice(1).map((to, index) => stroke(at(lane[index]!), at(to), 1.3 * scale)),
  ).join(' ')
  const place = `\\an7\\pos(${x.toFixed(2)},${y.toFixed(2)})\\p4`
  return [
    `{${place}\\c&HFFC24C&\\alpha&H30&}${strokes}`,
    `{${place}\\c&H5E4DFF&}${disc(at(LIGHT), 2.6 * scale)}`,
  ]
}

/** A line with round ends. All parts turn the same way, so that none cuts a hole into another. */
function stroke(from: Point, to: Point, radius: number): string {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  const length = Math.hypot(dx, dy)
  const [nx, ny] = [(-dy / length) * radius, (dx / length) * radius]
  const corners: Point[] = [
    [from[0] - nx, from[1] - ny],
    [to[0] - nx, to[1] - ny],
    [to[0] + nx, to[1] + ny],
    [from[0] + nx, from[1] + ny],
  ]
  const [first, ...rest] = corners.map(([px, py]) => `${Math.round(px)} ${Math.round(py)}`)
  return `m ${first} l ${rest.join(' ')} ${disc(from, radius)} ${disc(to, radius)}`
}

function disc([x, y]: Point, radius: number): string {
  const bend = radius * ROUND
  const p = (dx: number, dy: number) => `${Math.round(x + dx)} ${Math.round(y + dy)}`
  return [
    `m ${p(0, -radius)}`,
    `b ${p(bend, -radius)} ${p(radius, -bend)} ${p(radius, 0)}`,
    `b ${p(radius, bend)} ${p(bend, radius)} ${p(0, radius)}`,
    `b ${p(-bend, radius)} ${p(-radius, bend)} ${p(-radius, 0)}`,
    `b ${p(-radius, -bend)} ${p(-bend, -radius)} ${p(0, -radius)}`,
  ].join(' ')
}
