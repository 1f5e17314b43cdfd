import { messageOf } from '../../../common/errors.ts'
import { SETTINGS } from '../../../server/config/settings.ts'
import { workerBinary, workerSends } from '../../../sfu/worker-binary.ts'
import { type Check, fault, fine, named, warning } from '../check.ts'

/** Whether there is a media worker, and whether its packets leave many at a time. */
export const worker: Check = {
  name: 'media worker',
  async run({ config }) {
    let binary: string
    try {
      binary = workerBinary()
    } catch (error) {
      return [fault('MEDIASOUP_WORKER_BIN', messageOf(error), 'npm run setup')]
    }
    const found = fine(binary, 'the media worker is there')
    if (!config.batchedSends)
      return [
        found,
        warning(
          named(SETTINGS.batchedSends),
          'packets leave one by one, which costs more CPU',
          `leave ${named(SETTINGS.batchedSends)} out`,
        ),
      ]
    const sends = workerSends(binary)
    if (sends.batched) return [found, fine(named(SETTINGS.batchedSends), 'packets leave many at a time')]
    return [
      found,
      warning(
        named(SETTINGS.batchedSends),
        `packets leave one by one, which costs more CPU: ${sends.why}`,
        'install gcc and libc6-dev, remove node_modules/.lanecast, and npm run setup',
      ),
    ]
  },
}
