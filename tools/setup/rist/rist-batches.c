/*
 * librist in batches, for an ingress process. librist wakes threads and calls the kernel for each packet. On most
 * machines that costs more than all else that it does for a packet.
 *
 * sfu/ingress/batched-rist.ts loads this library with RTLD_DEEPBIND. librist then finds the functions below before those
 * of libc, and nobody else does: Node and libuv call libc as before.
 *
 * - recvfrom, poll: a socket's packets are taken from the kernel up to 16 at a time, and handed to librist one by one.
 * - pthread_cond_signal: librist's protocol thread wakes its output thread for each packet that arrives, before the packet
 *   is in the queue. A packet leaves the queue a whole recovery buffer later, so these signals are left out.
 * - pthread_cond_timedwait: instead, the output thread looks every 3 ms whether a packet is due. Without this library
 *   it looks every 5 ms, and whenever a packet arrives.
 * - write: librist signals each packet to the event loop. One signal is enough for all packets of one look.
 *
 * It also counts what each socket has received, for a sender that must know soon which of its links carry, and keeps answers
 * from librist that would end the process (eap-guard.h). What librist sends to a link that has fallen silent goes by a link
 * that is heard, too (silent-link.h).
 *
 * librist's threads are told apart by what they do: only the output thread of a receiver asks for a priority, only the
 * protocol thread polls. A sender in the same process keeps its signals and its waiting.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "eap-guard.h"
#include "silent-link.h"

enum {
  BATCH = 16,
  /** RIST_MAX_PACKET_SIZE: what librist has room for */
  MAX_BYTES = 10000,
  /** sockets with a higher descriptor are read as before */
  MAX_SOCKETS = 1024,
  LOOK_EVERY_NS = 3000000,
  /** packets that may wait for their signal: librist's queue must not run over meanwhile */
  MAX_UNSIGNALLED = 64,
  /** no question for packets is longer; media is */
  QUESTION_BYTES = 1000,
  /** of an entry that rist_batches_read() writes: flow id, sequence number, length and nothing, 4 bytes each */
  ENTRY_HEADER = 16,
};

/** Packets that the kernel gave and librist has not taken yet. Only the thread that polls the socket uses it. */
struct arrived {
  struct link_ends ends;
  /** Whose it is: the sockets of one receiver or sender are polled by one thread. */
  const void *thread;
  /** Local port, 0 for a socket that is closed, and the packets since it was opened. Others read these two. */
  atomic_uint_fast32_t port;
  atomic_uint_fast32_t total;
  unsigned next;
  unsigned count;
  struct mmsghdr headers[BATCH];
  struct iovec parts[BATCH];
  struct sockaddr_storage from[BATCH];
  uint8_t bytes[BATCH][MAX_BYTES];
};

/** `struct rist_data_block`, as common/rist/librist.ts describes it. */
struct block {
  const uint8_t *payload;
  size_t length;
  uint8_t times_and_ports[24];
  uint32_t flow_id;
  uint64_t sequence;
};

extern int rist_receiver_data_read2(void *context, struct block **block, int timeout);
extern void rist_receiver_data_block_free2(struct block **block);

/** By descriptor. Memory stays for the next socket of the same descriptor. */
static struct arrived *sockets[MAX_SOCKETS];
static atomic_uint_fast64_t received;
static int (*libc_signal)(pthread_cond_t *);
static int (*libc_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*libc_setschedparam)(pthread_t, int, const struct sched_param *);

static _Thread_local bool is_protocol_thread;
static _Thread_local bool is_output_thread;
/** The descriptor to signal, and for how many packets it was not. */
static _Thread_local int signal_to;
static _Thread_local int unsignalled;

__attribute__((constructor)) static void begin(void) {
  libc_signal = (int (*)(pthread_cond_t *))dlsym(RTLD_NEXT, "pthread_cond_signal");
  libc_timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(
      RTLD_NEXT, "pthread_cond_timedwait");
  libc_setschedparam =
      (int (*)(pthread_t, int, const struct sched_param *))dlsym(RTLD_NEXT, "pthread_setschedparam");
}

static struct arrived *arrived_at(int socket) {
  return socket >= 0 && socket < MAX_SOCKETS ? sockets[socket] : NULL;
}

static bool has_arrived(int socket) {
  const struct arrived *arrived = arrived_at(socket);
  return arrived != NULL && arrived->next < arrived->count;
}

static struct arrived *make_room(int socket) {
  if (socket < 0 || socket >= MAX_SOCKETS) return NULL;
  if (sockets[socket] != NULL) return sockets[socket];
  struct arrived *arrived = calloc(1, sizeof *arrived);
  if (arrived == NULL) return NULL;
  for (int each = 0; each < BATCH; each++) {
    arrived->parts[each].iov_base = arrived->bytes[each];
    arrived->headers[each].msg_hdr.msg_name = &arrived->from[each];
    arrived->headers[each].msg_hdr.msg_iov = &arrived->parts[each];
    arrived->headers[each].msg_hdr.msg_iovlen = 1;
  }
  return sockets[socket] = arrived;
}

static uint32_t local_port(int socket) {
  struct sockaddr_storage address;
  socklen_t bytes = sizeof address;
  if (getsockname(socket, (struct sockaddr *)&address, &bytes) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
  return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port) : 0;
}

/** Takes what the kernel has. Returns false, and the error in errno, where it has nothing. */
static bool take(int socket, struct arrived *arrived, size_t room) {
  for (int each = 0; each < BATCH; each++) {
    arrived->parts[each].iov_len = room;
    arrived->headers[each].msg_hdr.msg_namelen = sizeof arrived->from[each];
  }
  const long count = syscall(SYS_recvmmsg, socket, arrived->headers, BATCH, MSG_DONTWAIT, NULL);
  arrived->next = 0;
  arrived->count = count > 0 ? (unsigned)count : 0;
  if (count <= 0) return false;
  atomic_fetch_add_explicit(&received, (uint64_t)count, memory_order_relaxed);
  if (atomic_load_explicit(&arrived->port, memory_order_relaxed) == 0)
    atomic_store_explicit(&arrived->port, local_port(socket), memory_order_relaxed);
  atomic_fetch_add_explicit(&arrived->total, (uint32_t)count, memory_order_relaxed);
  return true;
}

static void signal_what_waits(void) {
  if (unsignalled == 0) return;
  unsignalled = 0;
  const char empty = '\0';
  // A full pipe wakes its reader anyway.
  (void)syscall(SYS_write, signal_to, &empty, sizeof empty);
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED ssize_t recvfrom(int socket, void *restrict bytes, size_t room, int flags, struct sockaddr *restrict from,
                          socklen_t *restrict from_bytes) {
  const bool batched = is_protocol_thread && flags == MSG_DONTWAIT && from != NULL && room > 0 && room <= MAX_BYTES;
  struct arrived *arrived = batched ? make_room(socket) : NULL;
  if (arrived == NULL) return syscall(SYS_recvfrom, socket, bytes, room, flags, from, from_bytes);
  unsigned index;
  do {
    if (arrived->next >= arrived->count && !take(socket, arrived, room)) return -1;
    index = arrived->next++;
  } while (!eap_passes(socket, arrived->bytes[index], arrived->headers[index].msg_len,
                       (struct sockaddr *)&arrived->from[index], arrived->headers[index].msg_hdr.msg_namelen));
  const struct mmsghdr *header = &arrived->headers[index];
  arrived->thread = &is_protocol_thread;
  link_heard(&arrived->ends, &arrived->from[index], header->msg_hdr.msg_namelen);
  const size_t length = header->msg_len < room ? header->msg_len : room;
  const socklen_t name_bytes = header->msg_hdr.msg_namelen;
  memcpy(bytes, arrived->bytes[index], length);
  memcpy(from, &arrived->from[index], name_bytes < *from_bytes ? name_bytes : *from_bytes);
  *from_bytes = name_bytes;
  return (ssize_t)length;
}

/** A copy of what leaves for a silent link, by the link that was heard last. */
static void send_by_another(int socket, const void *bytes, size_t length, int flags, const struct sockaddr *to,
                            socklen_t to_bytes) {
  struct arrived *arrived = arrived_at(socket);
  if (arrived == NULL || to == NULL || length > QUESTION_BYTES || is_eap(bytes, length)) return;
  const int64_t now = now_ns();
  if (!link_is_silent(&arrived->ends, to, to_bytes, now)) return;
  int other = -1;
  for (int each = 0; each < MAX_SOCKETS; each++) {
    if (each == socket || sockets[each] == NULL || sockets[each]->thread != arrived->thread) continue;
    if (!link_carries(&sockets[each]->ends, now)) continue;
    if (other < 0 || sockets[each]->ends.heard_ns > sockets[other]->ends.heard_ns) other = each;
  }
  if (other < 0) return;
  const struct link_ends *ends = &sockets[other]->ends;
  (void)syscall(SYS_sendto, other, bytes, length, flags, &ends->peer, ends->peer_bytes);
}

EXPORTED ssize_t sendto(int socket, const void *bytes, size_t length, int flags, const struct sockaddr *to,
                        socklen_t to_bytes) {
  if (is_protocol_thread) {
    eap_sent(socket, bytes, length, to, to_bytes);
    send_by_another(socket, bytes, length, flags, to, to_bytes);
  }
  return syscall(SYS_sendto, socket, bytes, length, flags, to, to_bytes);
}

/** A socket whose packets are here already is ready. The kernel is asked when there is none. */
EXPORTED int poll(struct pollfd *sockets_polled, nfds_t count, int timeout) {
  is_protocol_thread = true;
  int ready = 0;
  for (nfds_t each = 0; each < count; each++) {
    const bool here = has_arrived(sockets_polled[each].fd) && (sockets_polled[each].events & POLLIN) != 0;
    sockets_polled[each].revents = here ? POLLIN : 0;
    if (here) ready++;
  }
  if (ready > 0) return ready;
  const struct timespec wait = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L};
  return (int)syscall(SYS_ppoll, sockets_polled, count, timeout < 0 ? NULL : &wait, NULL, 0);
}

/** The number of a closed socket may name another one soon. */
EXPORTED int close(int socket) {
  struct arrived *arrived = arrived_at(socket);
  if (arrived != NULL) {
    arrived->next = arrived->count = 0;
    memset(&arrived->ends, 0, sizeof arrived->ends);
    arrived->thread = NULL;
    atomic_store_explicit(&arrived->port, 0, memory_order_relaxed);
    atomic_store_explicit(&arrived->total, 0, memory_order_relaxed);
  }
  return (int)syscall(SYS_close, socket);
}

EXPORTED int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *parameters) {
  is_output_thread = true;
  return libc_setschedparam(thread, policy, parameters);
}

EXPORTED int pthread_cond_signal(pthread_cond_t *condition) {
  return is_protocol_thread ? 0 : libc_signal(condition);
}

EXPORTED int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                                    const struct timespec *restrict until) {
  if (!is_output_thread) return libc_timedwait(condition, mutex, until);
  const struct timespec wait = {.tv_nsec = LOOK_EVERY_NS};
  pthread_mutex_unlock(mutex);
  signal_what_waits();
  nanosleep(&wait, NULL);
  pthread_mutex_lock(mutex);
  return ETIMEDOUT;
}

EXPORTED ssize_t write(int descriptor, const void *bytes, size_t length) {
  if (!is_output_thread || length != 1) return syscall(SYS_write, descriptor, bytes, length);
  signal_to = descriptor;
  if (++unsignalled == MAX_UNSIGNALLED) signal_what_waits();
  return 1;
}

/** Number of packets that came in batches, for whoever wants to know whether librist calls the functions above. */
EXPORTED uint64_t rist_batches_received(void) { return atomic_load_explicit(&received, memory_order_relaxed); }

/** Writes local port and number of packets since it was opened of each socket, and returns the number of such pairs. */
EXPORTED size_t rist_batches_arrivals(uint32_t *out, size_t room) {
  size_t pairs = 0;
  for (int each = 0; each < MAX_SOCKETS && pairs < room; each++) {
    struct arrived *arrived = sockets[each];
    const uint32_t port = arrived == NULL ? 0 : (uint32_t)atomic_load_explicit(&arrived->port, memory_order_relaxed);
    if (port == 0) continue;
    out[2 * pairs] = port;
    out[2 * pairs + 1] = (uint32_t)atomic_load_explicit(&arrived->total, memory_order_relaxed);
    pairs++;
  }
  return pairs;
}

/**
 * Takes blocks of a receiver until there is none or no room for one more of the largest size. Each is a header, the
 * payload, and padding to a multiple of 8 bytes. Returns the number of bytes written.
 */
EXPORTED size_t rist_batches_read(void *context, uint8_t *out, size_t room) {
  size_t at = 0;
  struct block *block = NULL;
  while (room - at >= ENTRY_HEADER + MAX_BYTES && rist_receiver_data_read2(context, &block, 0) > 0 && block != NULL) {
    const uint32_t length = block->length <= MAX_BYTES ? (uint32_t)block->length : 0;
    const uint32_t header[] = {block->flow_id, (uint32_t)block->sequence, length, 0};
    memcpy(out + at, header, ENTRY_HEADER);
    if (length > 0) memcpy(out + at + ENTRY_HEADER, block->payload, length);
    at += (ENTRY_HEADER + length + 7) / 8 * 8;
    rist_receiver_data_block_free2(&block);
  }
  return at;
}

/** A function of the program's own allocator. */
static void *of_program(const char *name) {
  static void *program;
  if (program == NULL) program = dlopen(NULL, RTLD_LAZY);
  return dlsym(program, name);
}

/*
 * With RTLD_DEEPBIND librist would take these four from libc, though the program may have an allocator of its own
 * (LD_PRELOAD of jemalloc, say). What libc allocates for librist, as by asprintf(), is of the program's allocator: librist
 * must free it there. Libraries that start before this one call them, too, so each finds its function itself.
 */
EXPORTED void *malloc(size_t bytes) {
  static void *(*program)(size_t);
  if (program == NULL) program = (void *(*)(size_t))of_program("malloc");
  return program(bytes);
}

EXPORTED void free(void *memory) {
  static void (*program)(void *);
  if (program == NULL) program = (void (*)(void *))of_program("free");
  program(memory);
}

EXPORTED void *calloc(size_t count, size_t bytes) {
  static void *(*program)(size_t, size_t);
  if (program == NULL) program = (void *(*)(size_t, size_t))of_program("calloc");
  return program(count, bytes);
}

EXPORTED void *realloc(void *memory, size_t bytes) {
  static void *(*program)(void *, size_t);
  if (program == NULL) program = (void *(*)(void *, size_t))of_program("realloc");
  return program(memory, bytes);
}
