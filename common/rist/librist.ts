import koffi from 'koffi'
import { CodedError, messageOf } from '../errors.ts'

/**
 * Bindings of librist.so.4 (0.2.7 in Debian 12, 0.2.11 in Debian 13), only what the product calls.
 *
 * Two rules prevent deadlocks. Nothing of librist is called synchronously from a librist callback, because librist's
 * thread waits for our event loop and may hold a lock. Every function that takes librist's peer list lock
 * (`rist_peer_*`, `rist_destroy`) is called through `.async`.
 */

const LIBRARY = 'librist.so.4'

/** A C pointer that librist gave out, opaque to us. */
export type RistPointer = bigint

/** `enum rist_profile`: SRP and PSK exist from the main profile on (VSF TR-06-2). */
export const RIST_PROFILE_MAIN = 1

/** `enum rist_log_level`: librist logs the steps of the handshake at info. */
const RIST_LOG_INFO = 6

/** `struct rist_peer_config` up to the last field that both versions have. Newer versions only append fields. */
const peerConfigStruct = koffi.struct('rist_peer_config', {
  version: 'int',
  address_family: 'int',
  initiate_conn: 'int',
  address: koffi.array('char', 256),
  miface: koffi.array('char', 128),
  physical_port: 'uint16_t',
  virt_dst_port: 'uint16_t',
  recovery_mode: 'int',
  recovery_maxbitrate: 'uint32_t',
  recovery_maxbitrate_return: 'uint32_t',
  recovery_length_min: 'uint32_t',
  recovery_length_max: 'uint32_t',
  recovery_reorder_buffer: 'uint32_t',
  recovery_rtt_min: 'uint32_t',
  recovery_rtt_max: 'uint32_t',
  weight: 'uint32_t',
  secret: koffi.array('char', 128),
  key_size: 'int',
  key_rotation: 'uint32_t',
  compression: 'int',
  cname: koffi.array('char', 128),
  congestion_control_mode: 'int',
  min_retries: 'uint32_t',
  max_retries: 'uint32_t',
  session_timeout: 'uint32_t',
  keepalive_interval: 'uint32_t',
  timing_mode: 'uint32_t',
  srp_username: koffi.array('char', 256),
  srp_password: koffi.array('char', 256),
})

const loggingSettingsStruct = koffi.struct('rist_logging_settings', {
  log_level: 'int',
  log_cb: 'void *',
  log_cb_arg: 'void *',
  log_socket: 'int',
  log_stream: 'void *',
})

/** `struct rist_data_block` on 64-bit machines: identical in 0.2.7 and 0.2.11. */
export const DATA_BLOCK = {
  size: 72,
  payload: 0,
  payloadLength: 8,
  tsNtp: 16,
  virtualSourcePort: 24,
  flowId: 40,
  sequence: 48,
  flags: 56,
} as const

/** What `batches.read` writes for each block. The payload follows, padded to a multiple of `align` bytes. */
export const BATCH_ENTRY = { header: 16, flowId: 0, sequence: 4, payloadLength: 8, align: 8 } as const

/** `struct rist_stats` starts with the size and the pointer to its JSON text. */
export const STATS_JSON_OFFSET = 8

const statsCallbackProto = koffi.proto('int rist_stats_cb(void *arg, void *stats)')
const connectCallbackProto = koffi.proto(
  'int rist_auth_connect_cb(void *arg, const char *ip, uint16_t port, const char *local_ip, uint16_t local_port, void *peer)',
)

export const statsCallbackType = koffi.pointer(statsCallbackProto)
export const connectCallbackType = koffi.pointer(connectCallbackProto)

function bind(library: ReturnType<typeof koffi.load>) {
  return {
    version: library.func('const char *librist_version(void)'),
    receiverCreate: library.func('int rist_receiver_create(_Out_ void **ctx, int profile, void *logging)'),
    receiverSetFifo: library.func('int rist_receiver_set_output_fifo_size(void *ctx, uint32_t size)'),
    receiverNotifyFd: library.func('int rist_receiver_data_notify_fd_set(void *ctx, int fd)'),
    receiverRead: library.func('int rist_receiver_data_read2(void *ctx, void *block, int timeout)'),
    receiverFree: library.func('void rist_receiver_data_block_free2(void *block)'),
    senderCreate: library.func(
      'int rist_sender_create(_Out_ void **ctx, int profile, uint32_t flow_id, void *logging)',
    ),
    senderNullDeletion: library.func('int rist_sender_npd_enable(void *ctx)'),
    senderFlowId: library.func('int rist_sender_flow_id_get(void *ctx, _Out_ uint32_t *flow_id)'),
    senderWrite: library.func('int rist_sender_data_write(void *ctx, void *block)'),
    parseAddress: library.func('int rist_parse_address2(const char *url, _Inout_ void **config)'),
    configFree: library.func('int rist_peer_config_free2(_Inout_ void **config)'),
    peerCreate: library.func('int rist_peer_create(void *ctx, _Out_ void **peer, void *config)'),
    peerDestroy: library.func('int rist_peer_destroy(void *ctx, void *peer)'),
    peerWeightSet: library.func('int rist_peer_weight_set(void *ctx, void *peer, uint32_t weight)'),
    enableSrp: bindSrp(library),
    authHandlerSet: library.func('rist_auth_handler_set', 'int', [
      'void *',
      connectCallbackType,
      'void *',
      'void *',
    ]),
    statsCallbackSet: library.func('rist_stats_callback_set', 'int', [
      'void *',
      'int',
      statsCallbackType,
      'void *',
    ]),
    statsFree: library.func('int rist_stats_free(void *stats)'),
    batches: bindBatches(library),
    start: library.func('int rist_start(void *ctx)'),
    destroy: library.func('int rist_destroy(void *ctx)'),
  }
}

/** From 0.2.8 on the old name is deprecated: it hashes in a way that later releases will drop. */
function bindSrp(library: ReturnType<typeof koffi.load>) {
  const signature = '(void *peer, const char *username, const char *password, void *lookup, void *userdata)'
  try {
    return library.func(`int rist_enable_eap_srp_2${signature}`)
  } catch {
    return library.func(`int rist_enable_eap_srp${signature}`)
  }
}

/** What only tools/setup/rist/rist-batches.c adds to librist. */
function bindBatches(library: ReturnType<typeof koffi.load>) {
  try {
    return {
      received: library.func('uint64_t rist_batches_received(void)'),
      read: library.func('size_t rist_batches_read(void *ctx, void *out, size_t room)'),
      arrivals: library.func('size_t rist_batches_arrivals(void *out, size_t room)'),
    }
  } catch {
    return null
  }
}

export type RistLibrary = ReturnType<typeof bind>

let loaded: RistLibrary | undefined

/**
 * librist, loaded once per process.
 *
 * @param name of another library that brings librist along; only the first call of a process can name one
 * @throws what `openRistLibrary` throws
 */
export function loadRist(name = LIBRARY): RistLibrary {
  loaded ??= openRistLibrary(name)
  return loaded
}

/**
 * Loads and binds a librist.
 *
 * @throws CodedError `rist_library_missing` where librist is not installed; the error names the package to install
 */
export function openRistLibrary(name: string): RistLibrary {
  try {
    // Deep: librist finds what the other library has before what libc has under the same name.
    return bind(koffi.load(name, { deep: name !== LIBRARY }))
  } catch (thrown) {
    throw new CodedError('rist_library_missing', `${name} cannot be loaded: RIST needs librist`, {
      details: ['on Debian and Ubuntu: apt-get install librist4', messageOf(thrown)],
      cause: thrown,
    })
  }
}

/** Version of the loaded librist, for example `0.2.7`. */
export function ristVersion(): string {
  return String(loadRist().version())
}

/** Calls a librist function on a thread of its own, so that its locks never wait for our event loop. */
export function callAsync(
  func: { async: (...args: never[]) => unknown },
  ...args: readonly unknown[]
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const done = (error: unknown, result: number): void => (error ? reject(error) : resolve(result))
  Reflect.apply(func.async, func, [...args, done])
  return promise
}

/** Allocates `struct rist_logging_settings` that sends every line to `socket`. Free it after the context. */
export function allocateLogging(socket: number): RistPointer {
  const settings = koffi.alloc(loggingSettingsStruct, 1)
  koffi.encode(settings, loggingSettingsStruct, {
    log_level: RIST_LOG_INFO,
    log_cb: null,
    log_cb_arg: null,
    log_socket: socket,
    log_stream: null,
  })
  return settings
}

type PeerConfigNumber =
  | 'recovery_length_min'
  | 'recovery_length_max'
  | 'recovery_reorder_buffer'
  | 'recovery_rtt_min'
  | 'recovery_rtt_max'
  | 'recovery_maxbitrate'
  | 'weight'
  | 'key_size'
  | 'congestion_control_mode'
  | 'min_retries'
  | 'max_retries'
  | 'session_timeout'
  | 'keepalive_interval'
  | 'timing_mode'
type PeerConfigText = 'secret' | 'cname' | 'miface'

export interface PeerConfigFields {
  readonly numbers: Partial<Record<PeerConfigNumber, number>>
  readonly texts: Partial<Record<PeerConfigText, string>>
}

const TEXT_BYTES = 128

function encodeText(config: RistPointer, field: PeerConfigText, value: string): void {
  const bytes = Buffer.alloc(TEXT_BYTES)
  if (bytes.write(value, 0, TEXT_BYTES - 1, 'utf8') !== Buffer.byteLength(value)) {
    throw new CodedError('rist_text_too_long', `${field} must be at most ${TEXT_BYTES - 1} bytes`)
  }
  const offset = koffi.offsetof(peerConfigStruct, field)
  koffi.encode(config, offset, koffi.array('uint8_t', TEXT_BYTES, 'Typed'), bytes)
}

/**
 * Creates a peer of a context that is not started yet: only then a synchronous call is safe. Wipes the secret from the
 * configuration that it used.
 *
 * @param url address only: `rist://@127.0.0.1:5000` listens, `rist://host:5000` connects. Never put a secret into the
 * URL.
 * @throws CodedError `rist_peer_failed`
 */
export function createPeer(context: RistPointer, url: string, fields: PeerConfigFields): RistPointer {
  using config = peerConfig(url, fields)
  const peer: [RistPointer | null] = [null]
  return createdPeer(url, loadRist().peerCreate(context, peer, config.pointer), peer)
}

/** Creates a peer of a context that runs, as `createPeer` does. @throws CodedError `rist_peer_failed` */
export async function addPeer(
  context: RistPointer,
  url: string,
  fields: PeerConfigFields,
): Promise<RistPointer> {
  using config = peerConfig(url, fields)
  const peer: [RistPointer | null] = [null]
  return createdPeer(url, await callAsync(loadRist().peerCreate, context, peer, config.pointer), peer)
}

function createdPeer(url: string, result: number, [peer]: readonly [RistPointer | null]): RistPointer {
  if (result === 0 && peer) return peer
  throw new CodedError('rist_peer_failed', `librist cannot open ${url}`)
}

/** The configuration of a peer. Its secret is wiped with its scope. */
function peerConfig(
  url: string,
  { numbers, texts }: PeerConfigFields,
): Disposable & { readonly pointer: RistPointer } {
  const rist = loadRist()
  const holder: [RistPointer | null] = [null]
  if (rist.parseAddress(url, holder) < 0 || !holder[0]) {
    throw new CodedError('rist_peer_failed', `librist does not understand the address ${url}`, {
      status: 400,
    })
  }
  const pointer = holder[0]
  using stack = new DisposableStack()
  stack.defer(() => {
    encodeText(pointer, 'secret', '')
    rist.configFree(holder)
  })
  for (const [field, value] of Object.entries(numbers))
    koffi.encode(pointer, koffi.offsetof(peerConfigStruct, field), 'uint32_t', value)
  if (texts.secret !== undefined) encodeText(pointer, 'secret', texts.secret)
  if (texts.cname !== undefined) encodeText(pointer, 'cname', texts.cname)
  if (texts.miface !== undefined) encodeText(pointer, 'miface', texts.miface)
  const owned = stack.move()
  return { pointer, [Symbol.dispose]: () => owned.dispose() }
}

/**
 * Demands (listening side) or offers (connecting side) SRP authentication on a peer.
 *
 * @throws CodedError `rist_srp_failed`
 */
export function enableSrp(peer: RistPointer, username: string, password: string): void {
  srpEnabled(loadRist().enableSrp(peer, username, password, null, null))
}

/** As `enableSrp`, for a peer of a context that runs. @throws CodedError `rist_srp_failed` */
export async function addSrp(peer: RistPointer, username: string, password: string): Promise<void> {
  srpEnabled(await callAsync(loadRist().enableSrp, peer, username, password, null, null))
}

function srpEnabled(result: number): void {
  if (result === 0) return
  throw new CodedError('rist_srp_failed', `librist refused the SRP credentials (code ${result})`)
}
