import type { Stretch, Trace } from './link-trace.ts'

/*
 * Twelve traces of uplinks. They are written after published recordings, as far as those are described in public: the
 * orders of magnitude, how fast things change, and what fails together. No recording itself is in here.
 *
 * - 4G uplinks and downlinks on foot, by car, bus, tram and train: J. van der Hooft et al., "HTTP/2-Based Adaptive
 *   Streaming of HEVC Video Over 4G/LTE Networks", 2016; D. Raca et al., "Beyond Throughput: a 4G LTE Dataset", 2018
 * - queues of seconds in front of cellular links: K. Winstein et al., "Stochastic Forecasts Achieve High Throughput and Low
 *   Delay over Cellular Networks", 2013
 * - trains: H. Riiser et al., "Commute Path Bandwidth Traces from 3G Networks", 2013; L. Li et al., "A Measurement Study on
 *   TCP Behaviors in HSPA+ Networks on High-Speed Rails", 2015
 * - 5G: D. Raca et al., "Beyond Throughput, the Next Generation: a 5G Dataset", 2020
 * - crowds: M. Z. Shafiq et al., "A First Look at Cellular Network Performance During Crowded Events", 2013
 */

/** 3GPP allows a hand-over to interrupt a bearer for some tens of ms; a failed one takes seconds. */
const handOver = (ms: number, delayMs: number): Stretch => ({ seconds: ms / 1000, kbps: 0, delayMs })

const repeat = (times: number, stretches: readonly Stretch[]): Stretch[] =>
  Array.from({ length: times }, () => stretches).flat()

const steady = (name: string, kbps: number, delayMs: number) => ({
  name,
  queueMs: 300,
  stretches: [{ seconds: 60, kbps, delayMs, sway: 0.08, jitterMs: 6 }],
})

export const TRACES: Readonly<Record<string, Trace>> = Object.fromEntries(
  (
    [
      {
        name: 'lte-walk',
        about: 'Three operators on foot in a town: capacity wanders by half, nothing fails.',
        links: [
          {
            name: 'a',
            queueMs: 800,
            stretches: [{ seconds: 60, kbps: 4000, delayMs: 28, sway: 0.5, jitterMs: 10 }],
          },
          {
            name: 'b',
            queueMs: 600,
            stretches: [{ seconds: 60, kbps: 2500, delayMs: 35, sway: 0.5, jitterMs: 12 }],
          },
          {
            name: 'c',
            queueMs: 900,
            stretches: [{ seconds: 60, kbps: 1500, delayMs: 45, sway: 0.4, jitterMs: 15 }],
          },
        ],
      },
      {
        name: 'lte-drive',
        about:
          'A car in a town: cells change every 10 to 20 s, capacity with them, and queues of half a second.',
        links: [
          {
            name: 'a',
            queueMs: 800,
            stretches: [
              { seconds: 14, kbps: 5000, delayMs: 30, sway: 0.4, jitterMs: 12 },
              handOver(200, 30),
              { seconds: 16, kbps: 1800, delayMs: 42, sway: 0.5, jitterMs: 18, loss: 0.005 },
              handOver(200, 42),
              { seconds: 18, kbps: 3500, delayMs: 34, sway: 0.4, jitterMs: 12 },
              { seconds: 11.6, kbps: 900, delayMs: 60, sway: 0.5, jitterMs: 25, loss: 0.01 },
            ],
          },
          {
            name: 'b',
            queueMs: 700,
            stretches: [
              { seconds: 9, kbps: 2200, delayMs: 38, sway: 0.4, jitterMs: 14 },
              { seconds: 20, kbps: 3800, delayMs: 32, sway: 0.4, jitterMs: 12 },
              handOver(400, 36),
              { seconds: 30.6, kbps: 2600, delayMs: 36, sway: 0.4, jitterMs: 14 },
            ],
          },
          steady('c', 1200, 55),
        ],
      },
      {
        name: 'train',
        about:
          'A fast train: cells last some seconds, failed hand-overs take one or two, and a tunnel takes all operators.',
        links: [
          {
            name: 'a',
            queueMs: 1000,
            stretches: [
              ...repeat(4, [
                { seconds: 5, kbps: 3000, delayMs: 45, sway: 0.6, jitterMs: 25, loss: 0.01 },
                handOver(600, 45),
              ]),
              handOver(6000, 45),
              ...repeat(5, [
                { seconds: 5.6, kbps: 2400, delayMs: 55, sway: 0.6, jitterMs: 30, loss: 0.01 },
                handOver(800, 55),
              ]),
            ],
          },
          {
            name: 'b',
            queueMs: 1000,
            stretches: [
              ...repeat(3, [
                { seconds: 6.4, kbps: 2000, delayMs: 50, sway: 0.6, jitterMs: 25, loss: 0.015 },
                handOver(1200, 50),
              ]),
              handOver(5600, 50),
              ...repeat(4, [
                { seconds: 6.8, kbps: 3200, delayMs: 45, sway: 0.6, jitterMs: 25, loss: 0.01 },
                handOver(800, 45),
              ]),
            ],
          },
          {
            name: 'c',
            queueMs: 900,
            stretches: [
              { seconds: 23, kbps: 1500, delayMs: 60, sway: 0.5, jitterMs: 30, loss: 0.02 },
              handOver(4000, 60),
              { seconds: 33, kbps: 1800, delayMs: 60, sway: 0.5, jitterMs: 30, loss: 0.02 },
            ],
          },
        ],
      },
      {
        name: 'stadium',
        about:
          'A crowd comes: within ten seconds all cells have a tenth of their capacity, long queues and some loss.',
        links: [
          {
            name: 'a',
            queueMs: 1200,
            stretches: [
              { seconds: 15, kbps: 5000, delayMs: 30, sway: 0.3, jitterMs: 10 },
              { seconds: 5, kbps: 2000, delayMs: 45, sway: 0.4, jitterMs: 25, loss: 0.01 },
              { seconds: 40, kbps: 600, delayMs: 70, sway: 0.5, jitterMs: 50, loss: 0.03 },
            ],
          },
          {
            name: 'b',
            queueMs: 1200,
            stretches: [
              { seconds: 18, kbps: 4000, delayMs: 34, sway: 0.3, jitterMs: 10 },
              { seconds: 6, kbps: 1500, delayMs: 50, sway: 0.4, jitterMs: 25, loss: 0.01 },
              { seconds: 36, kbps: 500, delayMs: 80, sway: 0.5, jitterMs: 50, loss: 0.03 },
            ],
          },
          {
            name: 'c',
            queueMs: 800,
            stretches: [
              { seconds: 20, kbps: 3000, delayMs: 40, sway: 0.3, jitterMs: 12 },
              { seconds: 40, kbps: 1000, delayMs: 60, sway: 0.4, jitterMs: 30, loss: 0.02 },
            ],
          },
        ],
      },
      {
        name: 'dead-zone',
        about:
          'A valley: two operators are gone for 20 s, the third has a rest; all come back one after the other.',
        links: [
          {
            name: 'a',
            queueMs: 700,
            stretches: [
              { seconds: 15, kbps: 3000, delayMs: 35, sway: 0.3, jitterMs: 10 },
              { seconds: 20, kbps: 0, delayMs: 35 },
              { seconds: 25, kbps: 3000, delayMs: 35, sway: 0.3, jitterMs: 10 },
            ],
          },
          {
            name: 'b',
            queueMs: 700,
            stretches: [
              { seconds: 17, kbps: 2500, delayMs: 38, sway: 0.3, jitterMs: 10 },
              { seconds: 20, kbps: 0, delayMs: 38 },
              { seconds: 23, kbps: 2500, delayMs: 38, sway: 0.3, jitterMs: 10 },
            ],
          },
          {
            name: 'c',
            queueMs: 900,
            stretches: [
              { seconds: 14, kbps: 2000, delayMs: 45, sway: 0.3, jitterMs: 12 },
              { seconds: 26, kbps: 900, delayMs: 70, sway: 0.3, jitterMs: 25, loss: 0.01 },
              { seconds: 20, kbps: 2000, delayMs: 45, sway: 0.3, jitterMs: 12 },
            ],
          },
        ],
      },
      {
        name: 'hand-over',
        about:
          'A hand-over every four seconds on one of two links: 60 to 250 ms of nothing, then everything at once.',
        links: [
          {
            name: 'a',
            queueMs: 600,
            stretches: repeat(5, [
              { seconds: 4, kbps: 3500, delayMs: 30, sway: 0.2, jitterMs: 8 },
              handOver(200, 30),
              { seconds: 4, kbps: 3000, delayMs: 34, sway: 0.2, jitterMs: 8 },
              handOver(200, 34),
            ]),
          },
          steady('b', 2500, 40),
        ],
      },
      {
        name: 'flapping',
        about:
          'A link between 100 and 1200 ms of round trip, 15 s each (a complaint about SRTLA senders), and two steady ones.',
        links: [
          {
            name: 'a',
            queueMs: 300,
            stretches: repeat(2, [
              { seconds: 15, kbps: 2500, delayMs: 50 },
              { seconds: 15, kbps: 2500, delayMs: 600 },
            ]),
          },
          steady('b', 2500, 30),
          steady('c', 2500, 40),
        ],
      },
      {
        name: 'bufferbloat',
        about:
          'A link falls to 0.4 Mb/s behind a queue of a second, and recovers; the round trip hides it from librist.',
        links: [
          {
            name: 'a',
            queueMs: 1000,
            stretches: [
              { seconds: 15, kbps: 2500, delayMs: 30 },
              { seconds: 25, kbps: 400, delayMs: 30 },
              { seconds: 20, kbps: 2500, delayMs: 30 },
            ],
          },
          steady('b', 2500, 35),
          steady('c', 2500, 40),
        ],
      },
      {
        name: 'blackhole',
        about: 'A link takes everything and delivers nothing for 7 s, twice.',
        links: [
          {
            name: 'a',
            queueMs: 500,
            stretches: repeat(2, [
              { seconds: 12, kbps: 2500, delayMs: 25 },
              { seconds: 7, kbps: 0, delayMs: 25 },
              { seconds: 11, kbps: 2500, delayMs: 25 },
            ]),
          },
          steady('b', 2500, 35),
          steady('c', 2500, 40),
        ],
      },
      {
        name: 'noisy',
        about:
          'Links that lose 2 to 8 % of all packets on the air, whatever the load: no reason to send less.',
        links: [
          {
            name: 'a',
            queueMs: 500,
            stretches: [{ seconds: 60, kbps: 3000, delayMs: 30, loss: 0.08, jitterMs: 8 }],
          },
          {
            name: 'b',
            queueMs: 500,
            stretches: [{ seconds: 60, kbps: 3000, delayMs: 35, loss: 0.03, jitterMs: 8 }],
          },
          {
            name: 'c',
            queueMs: 500,
            stretches: [{ seconds: 60, kbps: 2000, delayMs: 40, loss: 0.02, jitterMs: 8 }],
          },
        ],
      },
      {
        name: 'satellite-and-lte',
        about:
          'A geostationary satellite (600 ms of round trip, steady), a low one that moves over every 15 s, and LTE.',
        links: [
          { name: 'geo', queueMs: 400, stretches: [{ seconds: 60, kbps: 3000, delayMs: 300, sway: 0.05 }] },
          {
            name: 'leo',
            queueMs: 300,
            stretches: repeat(4, [
              { seconds: 14.8, kbps: 6000, delayMs: 25, sway: 0.3, jitterMs: 15, loss: 0.005 },
              handOver(200, 25),
            ]),
          },
          steady('lte', 2000, 40),
        ],
      },
      {
        name: '5g-edge',
        about:
          'At the edge of a 5G cell: 12 Mb/s or 1 Mb/s of LTE, changing every few seconds, beside a slow steady link.',
        links: [
          {
            name: '5g',
            queueMs: 500,
            stretches: repeat(5, [
              { seconds: 7, kbps: 12_000, delayMs: 15, sway: 0.4, jitterMs: 6 },
              handOver(200, 20),
              { seconds: 4.8, kbps: 1000, delayMs: 45, sway: 0.3, jitterMs: 20, loss: 0.005 },
            ]),
          },
          steady('b', 1500, 45),
        ],
      },
    ] as const satisfies readonly Trace[]
  ).map((trace: Trace) => [trace.name, trace]),
)
