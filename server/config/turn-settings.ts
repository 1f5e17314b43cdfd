import { host, networks, oneOf, portRange, text, wholeNumber } from './setting.ts'

export const TURN_MODES = ['embedded', 'coturn', 'off'] as const

/** TURN (RFC 8656) for browsers that no direct path leads to. These settings are in the table `turn` of the config file. */
export const TURN_SETTINGS = {
  turnMode: oneOf(
    {
      env: 'TURN_MODE',
      flag: 'turn-mode',
      key: 'turn.mode',
      default: 'embedded',
      help: "the relay beside this hub: embedded is the hub's own; coturn is one that you run with the output of `npm run turn:coturn-config`",
    },
    TURN_MODES,
  ),
  turnIp: host({
    env: 'TURN_IP',
    flag: 'turn-ip',
    key: 'turn.ip',
    default: '',
    help: 'address that TURN listens at and relays from; RTC_IP where left out',
  }),
  turnAnnounced: host({
    env: 'TURN_ANNOUNCED_ADDRESS',
    flag: 'turn-announced-address',
    key: 'turn.announced_address',
    default: '',
    help: "address or name of TURN told to clients; where left out, the address of the hub's media, and over TLS the first host name of TLS_NAMES",
  }),
  turnPort: wholeNumber(
    {
      env: 'TURN_PORT',
      flag: 'turn-port',
      key: 'turn.port',
      default: '3478',
      help: 'TURN over UDP and TCP; 0 takes free ports',
    },
    0,
    65_535,
  ),
  turnTlsPort: wholeNumber(
    {
      env: 'TURN_TLS_PORT',
      flag: 'turn-tls-port',
      key: 'turn.tls_port',
      default: '5349',
      help: "TURN over TLS, with the hub's certificate, where the hub has TLS; 0 takes a free port",
    },
    0,
    65_535,
  ),
  turnRelayPorts: portRange({
    env: 'TURN_RELAY_PORTS',
    flag: 'turn-relay-ports',
    key: 'turn.relay_ports',
    default: '9000-9399',
    help: 'UDP ports for allocations; a browser takes up to four',
  }),
  turnSecretFile: text(
    {
      env: 'TURN_SECRET_FILE',
      flag: 'turn-secret-file',
      key: 'turn.secret_file',
      default: '',
      help: 'file with the secret of coturn (static-auth-secret), made where there is none; by default beside the data folder, as <data-dir>.turn',
    },
    'the path of a file',
  ),
  turnAllowPeers: networks({
    env: 'TURN_ALLOW_PEERS',
    flag: 'turn-allow-peers',
    key: 'turn.allow_peers',
    default: '',
    help: "networks that relays may send to beside the hub's own media addresses, with commas between",
  }),
  turnDenyPeers: networks({
    env: 'TURN_DENY_PEERS',
    flag: 'turn-deny-peers',
    key: 'turn.deny_peers',
    default: '',
    help: 'networks that relays never send to, whatever else allows them',
  }),
  turnAllocationsPerCredential: wholeNumber(
    {
      env: 'TURN_ALLOCATIONS_PER_CREDENTIAL',
      flag: 'turn-allocations-per-credential',
      key: 'turn.allocations_per_credential',
      default: '12',
      help: 'most allocations of one contract at once',
    },
    1,
    1000,
  ),
  turnAllocationsPerSubject: wholeNumber(
    {
      env: 'TURN_ALLOCATIONS_PER_SUBJECT',
      flag: 'turn-allocations-per-subject',
      key: 'turn.allocations_per_subject',
      default: '100',
      help: 'most allocations at once of one user or node, or of one address without a token, by all of its contracts',
    },
    1,
    100_000,
  ),
  turnAllocationsPerTenant: wholeNumber(
    {
      env: 'TURN_ALLOCATIONS_PER_TENANT',
      flag: 'turn-allocations-per-tenant',
      key: 'turn.allocations_per_tenant',
      default: '400',
      help: 'most allocations of one tenant at once',
    },
    1,
    100_000,
  ),
  turnAllocationsPerAddress: wholeNumber(
    {
      env: 'TURN_ALLOCATIONS_PER_ADDRESS',
      flag: 'turn-allocations-per-address',
      key: 'turn.allocations_per_address',
      default: '200',
      help: 'most allocations from one address (IPv6: one /64) at once',
    },
    1,
    100_000,
  ),
  turnKbpsPerAllocation: wholeNumber(
    {
      env: 'TURN_KBPS_PER_ALLOCATION',
      flag: 'turn-kbps-per-allocation',
      key: 'turn.kbps_per_allocation',
      default: '50000',
      help: 'ceiling of one allocation in each direction, kb/s; packets above it are dropped; 0 is no ceiling',
    },
    0,
    100_000_000,
  ),
  turnKbpsPerTenant: wholeNumber(
    {
      env: 'TURN_KBPS_PER_TENANT',
      flag: 'turn-kbps-per-tenant',
      key: 'turn.kbps_per_tenant',
      default: '0',
      help: "ceiling of a tenant's allocations together in each direction, kb/s; 0 is no ceiling",
    },
    0,
    100_000_000,
  ),
} as const
