import { readCaptureDevice } from '../../agent/hardware/media/v4l2.ts'
import { messageOf } from '../../common/errors.ts'

/** Reads the capture device that its argument names, in a program that a camera can be preloaded into. */

const [, , device = ''] = process.argv
const found = await readCaptureDevice(device).catch((error: unknown) => ({ failed: messageOf(error) }))
process.stdout.write(JSON.stringify(found))
