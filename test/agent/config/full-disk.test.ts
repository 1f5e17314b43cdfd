import { join } from 'node:path'
import test from 'ava'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { ConfigRig } from './config-rig.ts'

test('a full disk refuses a document before anything changes', async (t): Promise<void> => {
  const disk = mountSmallDisk()
  if (!disk) {
    t.log('this process may not mount')
    t.pass()
    return
  }
  using _disk = disk
  await using rig = await ConfigRig.make()
  const folder = join(disk.folder, 'state')
  const keeper = await rig.start({ folder })
  await keeper.apply(1, { backlog_mb: 1 })
  disk.fill()
  t.like(await keeper.apply(2, { backlog_mb: 2 }), { state: 'refused', code: 'config_unsaved' })
  t.is(rig.target.asked.length, 1, 'the target was not asked')
  const again = await rig.start({ folder })
  t.is(again.config.backlog_mb, 1)
  disk.clear()
  t.deepEqual(await again.apply(2, { backlog_mb: 2 }), { state: 'done' })
})
