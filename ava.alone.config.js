import common, { ALONE } from './ava.config.js'

/** Tests with live media that need the machine to themselves. */
export default { ...common, concurrency: 1, files: ALONE }
