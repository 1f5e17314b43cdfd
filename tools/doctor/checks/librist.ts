import { messageOf } from '../../../common/errors.ts'
import { loadRist } from '../../../common/rist/librist.ts'
import { type Check, fault, fine } from '../check.ts'

/** Whether field senders can be heard. */
export const librist: Check = {
  name: 'librist',
  async run() {
    try {
      return [fine('librist.so.4', `version ${String(loadRist().version())}`)]
    } catch (error) {
      return [fault('librist.so.4', messageOf(error), 'apt-get install librist4')]
    }
  },
}
