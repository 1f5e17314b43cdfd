import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLogger } from '../../common/logger.ts'
import { type Config, loadConfig } from '../../server/config/config.ts'
import { openHub } from '../../server/hub.ts'
import type { SenderStream } from '../../test/bench/paced-sender-protocol.ts'
import { newSenderStreams } from '../../test/bench/paced-senders.ts'
import { freeUdpRange } from '../../test/support/udp-ports.ts'
import { profileThisProcessOnly, secondsToWatch, startLoad } from './load.ts'

/** The hub as clinic runs it: opened as `server/main.ts` does, fed for a while, and closed so that nothing is left. */
const STREAMS = 2
const LINKS = 2

profileThisProcessOnly()
const streams = await newSenderStreams(STREAMS, LINKS)
const config = await configure(streams)
{
  await using _hub = await openHub(config, process.env, createLogger('error'))
  await using _load = await startLoad(streams)
  await delay(secondsToWatch() * 1000)
}

async function configure(streams: readonly SenderStream[]): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-profile-'))
  try {
    const file = join(folder, 'hub.toml')
    await writeFile(file, streams.map(table).join('\n\n'), { mode: 0o600 })
    const rtp = await freeUdpRange(41)
    const flags = [
      '--config',
      file,
      '--bind',
      '127.0.0.1:0',
      '--rtc-port',
      '0',
      '--log-level',
      'error',
      '--amnesia',
      'true',
    ]
    const command = loadConfig([...flags, '--rtp-ports', `${rtp}-${rtp + 40}`], {})
    if (command.kind !== 'run') throw new Error('the hub did not understand its configuration')
    return command.config
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function table({ ports, passphrase, username, password }: SenderStream, index: number): string {
  return [
    '[[streams]]',
    `stream_id = "profiled-${index}"`,
    'class = "focus"',
    `ports = [${ports.join(', ')}]`,
    `passphrase = "${passphrase}"`,
    `username = "${username}"`,
    `password = "${password}"`,
  ].join('\n')
}
