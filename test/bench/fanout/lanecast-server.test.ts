import test from 'ava'
import { workerBinary, workerSends } from '../../../sfu/worker-binary.ts'
import { sendsBatched } from './lanecast-server.ts'

const NAME = 'BATCHED_SENDS'

test.afterEach.always(() => {
  delete process.env[NAME]
})

test.serial('our worker batches where set-up proved it, and the setting of the hub turns it off', (t) => {
  delete process.env[NAME]
  t.is(sendsBatched(), workerSends(workerBinary()).batched)
  process.env[NAME] = 'false'
  t.false(sendsBatched())
  process.env[NAME] = 'off'
  t.throws(() => sendsBatched(), { message: 'BATCHED_SENDS is "off": true and false are allowed' })
})
