import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/** Test files with live media in them; ava.media.config.js runs these. */
export const MEDIA = [
  'test/e2e/**/*.test.ts',
  'test/sfu/*.test.ts',
  'test/sfu/lane/lane.test.ts',
  'test/sfu/switch/{switched-stream,hostile-input}.test.ts',
  'test/sfu/ingress/{rist,audio,ingress}*.test.ts',
  'test/{agent,common,signaling,support,web,docs}/**/*.test.ts',
  'test/fleet/fleet.test.ts',
  'test/turn/browser.test.ts',
  'test/server/hub.test.ts',
  'test/server/several-hubs.test.ts',
  'test/server/flows/**/*.test.ts',
]

/**
 * Files with media that take the whole machine or measure it: they load every core on purpose, or hold pictures and
 * answers to bounds of milliseconds. ava.alone.config.js runs them one at a time, after the others.
 */
export const ALONE = [
  'test/agent/sender/pacing.test.ts',
  'test/bench/fanout/fanout-side.test.ts',
  'test/common/supervision/child-watch.test.ts',
  'test/e2e/fallen-link.test.ts',
  'test/e2e/field-sender.test.ts',
  'test/e2e/hitless.test.ts',
  'test/e2e/lan-direct.test.ts',
  'test/e2e/many-streams.test.ts',
  'test/e2e/refusals.test.ts',
  'test/e2e/reroute.test.ts',
  'test/e2e/roaming.test.ts',
  'test/e2e/switched-encoders.test.ts',
  'test/e2e/switched-inputs.test.ts',
  'test/e2e/switched-lane.test.ts',
  'test/e2e/switched-paths.test.ts',
  'test/e2e/viewer-moves.test.ts',
  'test/signaling/request-cost.test.ts',
]

export default {
  extensions: ['ts'],
  workerThreads: false,
  concurrency: Math.min(4, Math.max(2, availableParallelism())),
  timeout: '60s',
  // What each process of a test loads was compiled by the one before.
  environmentVariables: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache/compile') },
  require: ['./test/support/file-ends.ts'],
  files: ['test/**/*.test.ts', ...[...MEDIA, ...ALONE].map((pattern) => `!${pattern}`)],
}
