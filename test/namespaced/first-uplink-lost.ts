import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { FieldLab } from '../support/field-lab.ts'
import { until } from '../support/until.ts'

/** A field sender whose default route's modem falls silent. test/agent/routes/link-routes.test.ts runs this. */

const run = promisify(execFile)

test.serial(
  'a sender whose first uplink falls silent stays live, and its hub goes on to hear it',
  async (t) => {
    t.timeout(120_000)
    await using lab = await FieldLab.open()
    const { machine, carrier, uplinks, namespace } = await lab.enrol({
      nodeId: 'van-1',
      interfaces: ['wwan0', 'wwan1'],
    })
    await machine.start({
      uplinks: [...uplinks],
      broadcasts: [
        {
          stream_id: 'cam-1',
          class: 'focus',
          source: { kind: 'test-card' },
          fps: 10,
          renditions: [{ width: 160, height: 90 }],
          sound: null,
        },
      ],
    })
    const status = () => machine.status().catch(() => null)
    await until(
      async () =>
        (await status())?.broadcasts[0]?.links.filter(({ state }) => state === 'carrying').length === 2,
      'both links carry',
      40_000,
    )
    const links = (await status())!.broadcasts[0]!.links
    t.deepEqual(
      links.map((link) => link.interface),
      ['wwan0', 'wwan1'],
    )
    const [program, ...words] = namespace.enter
    const way = async (): Promise<string> =>
      (await run(program, [...words, 'ip', 'route', 'get', '10.99.0.1', 'ipproto', 'tcp'])).stdout
    const first = (await way()).includes('wwan0') ? 0 : 1
    const other = first === 0 ? 'wwan1' : 'wwan0'
    await carrier.set(first, { forward: { blackhole: true }, backward: { blackhole: true } })
    const at = performance.now()
    await until(async () => (await way()).includes(other), 'TCP takes the other uplink', 15_000)
    t.log(`TCP takes the other uplink after ${Math.round(performance.now() - at)} ms`)
    await until(async () => (await status())?.online === false, 'the channel is lost', 60_000).catch(() => {})
    await until(async () => (await status())?.online === true, 'the hub hears it again', 60_000)
    t.log(`heard again after ${Math.round(performance.now() - at)} ms`)
    t.is((await status())?.broadcasts[0]?.state, 'live')
  },
)
