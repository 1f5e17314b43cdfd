import common, { MEDIA } from './ava.config.js'

/** Tests with live media, one file at a time: they need both cores of a small machine to be real time. */
export default { ...common, concurrency: 1, files: MEDIA }
