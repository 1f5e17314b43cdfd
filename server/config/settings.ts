import { availableParallelism, homedir } from 'node:os'
import { join } from 'node:path'
import { HUB_NODE_ID } from '../../common/wire/ids.ts'
import { LOG_LEVELS } from '../../common/wire/log-level.ts'
import { TLS_SETTINGS } from '../tls/tls-settings.ts'
import { BACKLOG_SETTINGS } from './backlog-settings.ts'
import { CAPACITY_SETTINGS } from './capacity-settings.ts'
import {
  addressRanges,
  flag,
  host,
  name,
  networks,
  oneOf,
  portRange,
  remoteAddress,
  socketAddress,
  text,
  wholeNumber,
} from './setting.ts'
import { TURN_SETTINGS } from './turn-settings.ts'

/** Every setting of the hub except its streams, which only the file holds. Help, parsing and errors use this list. */
export const SETTINGS = {
  bind: socketAddress({
    env: 'OVERLAY_BIND',
    flag: 'bind',
    key: 'hub.bind',
    default: '127.0.0.1:9415',
    help: 'HTTP: viewer pages, signalling, health',
  }),
  hubId: name({
    env: 'HUB_ID',
    flag: 'hub-id',
    key: 'hub.id',
    default: HUB_NODE_ID,
    help: "the hub's node in the topology; hubs that share a database need one each",
  }),
  hubOnWire: flag({
    env: 'HUB_DETERMINISTIC_WIRED',
    flag: 'deterministic-wired',
    key: 'hub.deterministic_wired',
    default: 'false',
    help: "the hub's machine has a PTP clock (IEEE 1588) and is wired with TSN, for flows of that mode",
  }),
  maxConnections: wholeNumber(
    {
      env: 'OVERLAY_MAX_CONNS',
      flag: 'max-conns',
      key: 'hub.max_conns',
      default: '1024',
      help: 'most viewers connected at once',
    },
    1,
    1_000_000,
  ),
  maxConnectionsPerAddress: wholeNumber(
    {
      env: 'OVERLAY_MAX_CONNS_PER_ADDRESS',
      flag: 'max-conns-per-address',
      key: 'hub.max_conns_per_address',
      default: '256',
      help: 'most HTTP connections of one address (of IPv6 a /64) at once; WebSockets and trusted proxies do not count',
    },
    1,
    1_000_000,
  ),
  maxKbps: wholeNumber(
    {
      env: 'OVERLAY_MAX_KBPS',
      flag: 'max-kbps',
      key: 'hub.max_kbps',
      default: '0',
      help: 'ceiling of what the hub sends to viewers, kb/s: at the ceiling the hub takes nothing new; 0 is no ceiling',
    },
    0,
    100_000_000,
  ),
  drainMs: wholeNumber(
    {
      env: 'DRAIN_MS',
      flag: 'drain-ms',
      key: 'hub.drain_ms',
      default: '0',
      help: 'after SIGTERM running flows may go on for up to this long, ms; nothing new is taken',
    },
    0,
    86_400_000,
  ),
  trustedProxies: addressRanges({
    env: 'TRUSTED_PROXIES',
    flag: 'trusted-proxies',
    key: 'hub.trusted_proxies',
    default: '',
    help: 'reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas between; clients of a proxy that is not named here share one rate limit',
  }),
  webhookNetworks: networks({
    env: 'WEBHOOK_NETWORKS',
    flag: 'webhook-networks',
    key: 'hub.webhook_networks',
    default: '',
    help: "private networks that tenants' webhooks may reach, with commas between; loopback counts as one. Whoever may make webhooks then reaches every machine and port there",
  }),
  idleMs: wholeNumber(
    {
      env: 'OVERLAY_IDLE_MS',
      flag: 'idle-ms',
      key: 'hub.idle_ms',
      default: '15000',
      help: 'idle HTTP connections are closed after this, ms',
    },
    100,
    3_600_000,
  ),
  readMs: wholeNumber(
    {
      env: 'OVERLAY_READ_MS',
      flag: 'read-ms',
      key: 'hub.read_ms',
      default: '5000',
      help: 'longest time to receive a whole HTTP request, ms',
    },
    100,
    3_600_000,
  ),
  writeMs: wholeNumber(
    {
      env: 'OVERLAY_WRITE_MS',
      flag: 'write-ms',
      key: 'hub.write_ms',
      default: '5000',
      help: 'longest time without progress while sending an HTTP response, ms',
    },
    100,
    3_600_000,
  ),
  metrics: socketAddress({
    env: 'METRICS_ADDR',
    flag: 'metrics-addr',
    key: 'hub.metrics_addr',
    default: '127.0.0.1:0',
    help: 'Prometheus listener; port 0 takes a free one, which the line "hub is ready" names',
  }),
  logLevel: oneOf(
    {
      env: 'LOG_LEVEL',
      flag: 'log-level',
      key: 'hub.log_level',
      default: 'info',
      help: 'least severe log lines',
    },
    LOG_LEVELS,
  ),
  amnesia: flag({
    env: 'AMNESIA',
    flag: 'amnesia',
    key: 'hub.amnesia',
    default: 'false',
    help: 'keep all state in memory; nothing is written to disk and nothing survives a restart',
  }),
  dataDir: text(
    {
      env: 'DATA_DIR',
      flag: 'data-dir',
      key: 'hub.data_dir',
      default: join(process.env['XDG_STATE_HOME'] ?? join(home(), '.local/state'), 'lanecast'),
      help: 'folder of the SQLite database and the first admin token',
    },
    'the path of a folder',
  ),
  databaseUrl: text(
    {
      env: 'DATABASE_URL',
      flag: '',
      key: 'hub.database_url',
      default: '',
      help: 'PostgreSQL instead of SQLite: postgres://user:password@host/database',
    },
    'a postgres:// or postgresql:// URL',
  ),
  keysFile: text(
    {
      env: 'KEYS_FILE',
      flag: 'keys-file',
      key: 'hub.keys_file',
      default: '',
      help: 'master keys that seal secrets; by default beside the data folder, as <data-dir>.keys',
    },
    'the path of a file',
  ),
  auditKeepDays: wholeNumber(
    {
      env: 'AUDIT_KEEP_DAYS',
      flag: 'audit-keep-days',
      key: 'hub.audit_keep_days',
      default: '0',
      help: 'days that a record of the audit trail stays in the database before it moves to an archive file; 0 keeps all records there',
    },
    0,
    36_500,
  ),
  auditArchiveDir: text(
    {
      env: 'AUDIT_ARCHIVE_DIR',
      flag: 'audit-archive-dir',
      key: 'hub.audit_archive_dir',
      default: '',
      help: 'folder of the archive files of the audit trail; by default beside the data folder, as <data-dir>.audit',
    },
    'the path of a folder',
  ),
  workers: wholeNumber(
    {
      env: 'MEDIA_WORKERS',
      flag: 'workers',
      key: 'media.workers',
      default: String(availableParallelism()),
      help: 'mediasoup workers; one per core',
    },
    1,
    256,
  ),
  batchedSends: flag({
    env: 'BATCHED_SENDS',
    flag: 'batched-sends',
    key: 'media.batched_sends',
    default: 'true',
    help: 'workers hand many packets to the kernel at once, where set-up proved that this works',
  }),
  rtcIp: host({
    env: 'RTC_IP',
    flag: 'rtc-ip',
    key: 'media.rtc_ip',
    default: '127.0.0.1',
    help: "address viewers' WebRTC arrives at",
  }),
  rtcAnnounced: host({
    env: 'RTC_ANNOUNCED_ADDRESS',
    flag: 'rtc-announced-address',
    key: 'media.rtc_announced_address',
    default: '',
    help: 'address told to viewers, where it differs (NAT, 0.0.0.0)',
  }),
  stunServer: remoteAddress({
    env: 'STUN_SERVER',
    flag: 'stun-server',
    key: 'media.stun_server',
    default: '',
    help: 'host:port of a STUN server that says how this machine is seen from outside, for the two announced addresses where they are not set',
  }),
  rtcPort: wholeNumber(
    {
      env: 'RTC_PORT',
      flag: 'rtc-port',
      key: 'media.rtc_port',
      default: '9420',
      help: 'WebRTC port of the first worker, UDP and TCP; the next worker takes the next; 0 takes free ones',
    },
    0,
    65_000,
  ),
  ristIp: host({
    env: 'RIST_IP',
    flag: 'rist-ip',
    key: 'media.rist_ip',
    default: '127.0.0.1',
    help: 'address field senders push RIST to',
  }),
  ristAnnounced: host({
    env: 'RIST_ANNOUNCED_ADDRESS',
    flag: 'rist-announced-address',
    key: 'media.rist_announced_address',
    default: '',
    help: 'address told to field senders, where it differs (NAT, 0.0.0.0)',
  }),
  ristPorts: portRange({
    env: 'RIST_PORTS',
    flag: 'rist-ports',
    key: 'media.rist_ports',
    default: '9500-9899',
    help: 'UDP ports for RIST; each link of each stream takes one',
  }),
  rtpPorts: portRange({
    env: 'RTP_PORTS',
    flag: 'rtp-ports',
    key: 'media.rtp_ports',
    default: '9900-10899',
    help: 'loopback UDP ports between workers and the processes that move packets; one per stream, one more per input of a switched stream',
  }),
  ...CAPACITY_SETTINGS,
  ...BACKLOG_SETTINGS,
  ...TURN_SETTINGS,
  ...TLS_SETTINGS,
} as const

/** The root for a user without a home, as a container's user is. */
function home(): string {
  try {
    return homedir()
  } catch {
    return '/'
  }
}
