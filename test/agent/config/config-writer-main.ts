import { ConfigKeeper } from '../../../agent/config/config-keeper.ts'
import { createLogger } from '../../../common/logger.ts'

/** `FOLDER FROM TO`: applies the versions one after the other, and prints each that is done. */
const [folder = '', from = '1', to = '1'] = process.argv.slice(2)
const keeper = await ConfigKeeper.open({
  folder,
  hub: 'https://hub.test cam',
  target: { configure: async () => {} },
  device: () => ({}),
  logger: createLogger('error'),
})
await keeper.resume()
for (let version = Number(from); version <= Number(to); version++) {
  const broadcasts = [{ stream_id: `cam-${version}`, source: { kind: 'test-card' } }]
  const { state } = await keeper.apply(version, { broadcasts })
  process.stdout.write(`${state} ${version}\n`)
}
