import { flag, wholeNumber } from './setting.ts'

/** How much one hub takes on. A tenant's policy may allow less, never more. */
export const CAPACITY_SETTINGS = {
  consumersPerWorker: wholeNumber(
    {
      env: 'MEDIA_CONSUMERS_PER_WORKER',
      flag: 'consumers-per-worker',
      key: 'media.consumers_per_worker',
      default: '1000',
      help: 'most consumers on a media worker; a viewer has two for each stream, picture and sound; above 85 % CPU the worker takes none',
    },
    2,
    1_000_000,
  ),
  moveViewers: flag({
    env: 'MEDIA_MOVE_VIEWERS',
    flag: 'move-viewers',
    key: 'media.move_viewers',
    default: 'false',
    help: 'whether running viewers move, without a gap, from a media worker that stays clearly busier than another one',
  }),
  viewersPerStream: wholeNumber(
    {
      env: 'MEDIA_VIEWERS_PER_STREAM',
      flag: 'viewers-per-stream',
      key: 'media.viewers_per_stream',
      default: '1000',
      help: 'most viewers of one stream',
    },
    0,
    1_000_000,
  ),
  viewersPerTenant: wholeNumber(
    {
      env: 'MEDIA_VIEWERS_PER_TENANT',
      flag: 'viewers-per-tenant',
      key: 'media.viewers_per_tenant',
      default: '1000',
      help: 'most viewers of all streams of a tenant',
    },
    0,
    1_000_000,
  ),
  viewersPerAddress: wholeNumber(
    {
      env: 'MEDIA_VIEWERS_PER_ADDRESS',
      flag: 'viewers-per-address',
      key: 'media.viewers_per_address',
      default: '250',
      help: "most viewers without a token of a tenant's streams from one address (IPv6: one /64); behind a proxy, see --trusted-proxies",
    },
    0,
    1_000_000,
  ),
  streamsPerTenant: wholeNumber(
    {
      env: 'MEDIA_STREAMS_PER_TENANT',
      flag: 'streams-per-tenant',
      key: 'media.streams_per_tenant',
      default: '100',
      help: 'most streams of a tenant',
    },
    0,
    100_000,
  ),
  streamsPerToken: wholeNumber(
    {
      env: 'MEDIA_STREAMS_PER_TOKEN',
      flag: 'streams-per-token',
      key: 'media.streams_per_token',
      default: '32',
      help: "most streams that one user, with whatever tokens, or one node publishes; the configuration's own don't count",
    },
    0,
    100_000,
  ),
} as const
