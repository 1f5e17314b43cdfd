import common, { ALONE, MEDIA } from './ava.config.js'
import { mediaFilesAtOnce } from './test/support/machine-speed.ts'

/** Tests with live media, as many files at a time as this machine can play in real time; `--concurrency` overrides it. */
export default {
  ...common,
  concurrency: await mediaFilesAtOnce(),
  files: [...MEDIA, ...ALONE.map((file) => `!${file}`)],
}
