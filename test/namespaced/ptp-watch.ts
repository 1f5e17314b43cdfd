import { execFileSync } from 'node:child_process'
import test from 'ava'
import { PtpWatch } from '../../agent/hardware/timing/ptp-watch.ts'
import { startPtp4l } from '../support/ptp4l.ts'
import { until } from '../support/until.ts'

/** Sync by linuxptp over a cable. test/agent/hardware/timing.test.ts runs this. */

const ip = (words: string): void => void execFileSync('ip', words.split(' '))

test('an interface is synchronised while ptp4l follows a master on it', async (t) => {
  ip('link add up0 type veth peer name far0')
  for (const end of ['up0', 'far0']) ip(`link set ${end} up`)
  await using follower = await startPtp4l('up0', 'follower')
  let changes = 0
  using watch = new PtpWatch(() => {
    changes += 1
  }, ['/nowhere/ptp4lro', follower.socket])
  await until(() => watch.of('up0'), 'ptp4l says that it runs on the interface')
  t.deepEqual(watch.of('up0'), { synchronised: false, offsetNs: null })
  t.is(watch.of('far0'), null)

  const master = await startPtp4l('far0', 'master')
  await using _ended = master
  await until(
    () => watch.of('up0')?.synchronised && watch.of('up0')?.offsetNs !== null,
    'it follows a master',
  )
  t.true(Math.abs(watch.of('up0')!.offsetNs!) < 10_000_000, 'both have the same clock')
  t.true(changes >= 2)

  await master.stop()
  await until(() => watch.of('up0')?.synchronised === false, 'the master is lost')
  t.is(watch.of('up0')!.offsetNs, null)

  await follower.stop()
  await until(() => watch.of('up0') === null, 'nobody runs on the interface')
})
