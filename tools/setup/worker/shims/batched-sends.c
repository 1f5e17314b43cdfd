/*
 * Batched sends. The worker sends each packet to each viewer by a sendmsg() of its own. On most machines that call costs
 * as much as all the rest that the worker does for a packet. Here packets wait until the worker's loop goes back to
 * epoll, and one sendmmsg() hands over all packets of a socket. The viewers of a worker share one socket, so a batch is
 * long.
 *
 * The functions below stand before libc's of the same name: they are linked into the worker that is built from source,
 * and loaded beside mediasoup's prebuilt one by LD_PRELOAD. What waits: RTP and RTCP of at most 1,500 bytes, sent from
 * an unconnected UDP socket by the thread of the loop. DTLS, STUN, TCP and all else go straight to the kernel, behind
 * what waits on the same socket: the order of a socket's packets never changes.
 *
 * A full socket buffer: what could not be sent stays, in order. Later packets of that socket are refused with EAGAIN,
 * and libuv queues them as it does without this file. The kernel is asked again every millisecond. Any other error
 * concerns one packet: that packet is dropped, as libuv drops it, and the next one is tried.
 *
 * Nothing waits unless LANECAST_BATCHED_SENDS is `on`. LANECAST_BATCHED_SENDS_REPORT names a file that holds the
 * counters (struct counters) while the worker runs, for tests and benches.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
  SLOTS = 512,
  MAX_BYTES = 1500,
  /** sockets with a higher descriptor send as before */
  MAX_SOCKETS = 4096,
  /** how long the loop may wait at a time while a socket's buffer is full, ms */
  RETRY_MS = 1,
  NONE = -1,
  /** bytes of the kernel's signal set */
  KERNEL_SIGSET = 8,
  /** what the kernel takes as one message: packets, and bytes with room for headers */
  MAX_SEGMENTS = 64,
  MAX_MESSAGE_BYTES = 64000,
  /** a power of two, well above SLOTS */
  BUCKETS = 2048,
};

/** A packet that waits. */
struct slot {
  struct sockaddr_in6 to;
  socklen_t to_bytes;
  int16_t next;
  /** the message of the batch that holds this packet, and the next packet of that message */
  int16_t message;
  int16_t next_segment;
  struct iovec data;
  uint8_t bytes[MAX_BYTES];
};

/** What waits on one socket: a list of slots, oldest first. */
struct queue {
  int16_t first;
  int16_t last;
  /** the kernel had no room for the first one */
  bool full;
  /** is in `waiting` */
  bool listed;
};

struct counters {
  uint64_t packets;
  uint64_t batches;
  /** how often a socket's buffer was found full */
  uint64_t full;
  /** packets that the kernel refused */
  uint64_t refused;
};

static struct slot slots[SLOTS];
static int16_t free_slot;
static struct queue queues[MAX_SOCKETS];
/** The sockets on which something may wait. */
static int waiting[MAX_SOCKETS];
static int waiting_count;
/** How many sockets are `full`. */
static int full_count;

/** One message of a batch: packets of one destination. All are of one length, only the last may be shorter. */
struct message {
  int16_t first;
  int16_t last;
  uint16_t segment_bytes;
  uint16_t segments;
  uint32_t bytes;
  bool open;
};

static struct message messages[SLOTS];
static struct mmsghdr batch[SLOTS];
static struct iovec parts[SLOTS];
/** Of each message, the control message that says how long its packets are. */
static _Alignas(struct cmsghdr) char controls[SLOTS][CMSG_SPACE(sizeof(uint16_t))];
/** The last message to each destination, by its hash. Entries with another stamp are of an earlier batch. */
static struct {
  uint32_t stamp;
  int16_t message;
} buckets[BUCKETS];
static uint32_t stamp;
static struct counters own_counters;
static struct counters *counters = &own_counters;

static bool enabled;
static bool loop_known;
/** Whether this thread runs the loop: the first one that waits on epoll does. */
static _Thread_local bool in_loop __attribute__((tls_model("initial-exec")));

static bool is_ours(int socket) {
  return in_loop && socket >= 0 && socket < MAX_SOCKETS;
}

/** Whether the error says that a socket's buffer is full, as libuv understands it. */
static bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

static void set_full(struct queue *queue, bool full) {
  if (queue->full == full) return;
  queue->full = full;
  full_count += full ? 1 : -1;
  if (full) counters->full++;
}

static void give_back(int16_t slot) {
  slots[slot].next = free_slot;
  free_slot = slot;
}

/** How much of an address tells destinations apart: of IPv4 without the filling. */
static size_t address_bytes(const struct sockaddr_in6 *to) {
  return to->sin6_family == AF_INET ? 8 : sizeof(struct sockaddr_in6);
}

static bool same_destination(const struct sockaddr_in6 *one, const struct sockaddr_in6 *other) {
  return memcmp(one, other, address_bytes(one)) == 0;
}

static uint32_t hash_of(const struct sockaddr_in6 *to) {
  uint32_t hash = 2166136261u;
  const uint8_t *bytes = (const uint8_t *)to;
  for (size_t at = 2; at < address_bytes(to); at++) hash = (hash ^ bytes[at]) * 16777619u;
  return hash ^ (hash >> 15);
}

/** Puts a packet behind the last message to its destination, if it fits there. Returns false where it needs its own. */
static bool join_message(int16_t slot, int16_t to) {
  struct message *message = &messages[to];
  const size_t bytes = slots[slot].data.iov_len;
  if (!message->open || bytes > message->segment_bytes) return false;
  if (message->segments == MAX_SEGMENTS || message->bytes + bytes > MAX_MESSAGE_BYTES) return false;
  slots[message->last].next_segment = slot;
  message->last = slot;
  message->segments++;
  message->bytes += (uint32_t)bytes;
  message->open = bytes == message->segment_bytes;
  slots[slot].message = to;
  return true;
}

/** Makes messages of the packets of a queue. Returns their number. The order of each destination stays. */
static int16_t make_messages(const struct queue *queue) {
  int16_t count = 0;
  if (++stamp == 0) {
    memset(buckets, 0, sizeof buckets);
    stamp = 1;
  }
  for (int16_t slot = queue->first; slot != NONE; slot = slots[slot].next) {
    slots[slot].next_segment = NONE;
    const struct sockaddr_in6 *to = &slots[slot].to;
    uint32_t at = hash_of(to) % BUCKETS;
    while (buckets[at].stamp == stamp && !same_destination(&slots[messages[buckets[at].message].first].to, to))
      at = (at + 1) % BUCKETS;
    if (buckets[at].stamp == stamp && join_message(slot, buckets[at].message)) continue;
    const uint16_t bytes = (uint16_t)slots[slot].data.iov_len;
    messages[count] = (struct message){slot, slot, bytes, 1, bytes, true};
    slots[slot].message = count;
    buckets[at].stamp = stamp;
    buckets[at].message = count++;
  }
  return count;
}

/** Writes messages as the kernel wants them into `batch`. UDP_SEGMENT splits a message into packets: udp(7). */
static void write_batch(int16_t count) {
  size_t part = 0;
  for (int16_t index = 0; index < count; index++) {
    const struct message *message = &messages[index];
    struct msghdr *header = &batch[index].msg_hdr;
    header->msg_name = &slots[message->first].to;
    header->msg_namelen = slots[message->first].to_bytes;
    header->msg_iov = &parts[part];
    header->msg_iovlen = message->segments;
    for (int16_t slot = message->first; slot != NONE; slot = slots[slot].next_segment) parts[part++] = slots[slot].data;
    header->msg_control = message->segments > 1 ? controls[index] : NULL;
    header->msg_controllen = message->segments > 1 ? sizeof controls[index] : 0;
    memcpy(CMSG_DATA((struct cmsghdr *)controls[index]), &message->segment_bytes, sizeof(uint16_t));
  }
}

/** Takes the packets of so many messages, the first of the batch, from their queue. */
static void settle(struct queue *queue, int16_t sent) {
  int16_t slot = queue->first;
  queue->first = queue->last = NONE;
  while (slot != NONE) {
    const int16_t next = slots[slot].next;
    if (slots[slot].message < sent) {
      give_back(slot);
    } else {
      slots[slot].next = NONE;
      if (queue->first == NONE)
        queue->first = slot;
      else
        slots[queue->last].next = slot;
      queue->last = slot;
    }
    slot = next;
  }
}

/**
 * Sends the packets of a message each by its own call, because the kernel refused the message: a path may be too narrow
 * for one packet, or a device unable to split. Returns false where the socket's buffer is full: the rest stays then.
 */
static bool send_singly(int socket, const struct message *message) {
  for (int16_t slot = message->first; slot != NONE; slot = slots[slot].next_segment) {
    const struct msghdr header = {
        .msg_name = &slots[slot].to, .msg_namelen = slots[slot].to_bytes, .msg_iov = &slots[slot].data, .msg_iovlen = 1};
    long sent;
    do {
      sent = syscall(SYS_sendmsg, socket, &header, MSG_DONTWAIT);
      counters->batches++;
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && is_full(errno)) {
      for (; slot != NONE; slot = slots[slot].next_segment) slots[slot].message = SLOTS;
      return false;
    }
    if (sent < 0) counters->refused++;
  }
  return true;
}

/** Sends what waits on a socket. Leaves the rest where the socket's buffer is full. Keeps errno. */
static void flush(int socket) {
  struct queue *queue = &queues[socket];
  const int error = errno;
  const int16_t count = make_messages(queue);
  write_batch(count);
  bool full = false;
  int16_t done = 0;
  while (done < count && !full) {
    const long sent = syscall(SYS_sendmmsg, socket, batch + done, count - done, MSG_DONTWAIT);
    counters->batches++;
    if (sent > 0) {
      done = (int16_t)(done + sent);
    } else if (is_full(errno)) {
      full = true;
    } else if (errno != EINTR) {
      full = !send_singly(socket, &messages[done++]);
    }
  }
  settle(queue, done);
  set_full(queue, full);
  errno = error;
}

static void flush_all(void) {
  int still = 0;
  for (int index = 0; index < waiting_count; index++) {
    const int socket = waiting[index];
    flush(socket);
    queues[socket].listed = queues[socket].full;
    if (queues[socket].full) waiting[still++] = socket;
  }
  waiting_count = still;
}

/** Sends what waits on a socket, so that what comes next is behind it. Returns false where something still waits. */
static bool make_way(int socket) {
  if (!is_ours(socket) || queues[socket].first == NONE) return true;
  flush(socket);
  return !queues[socket].full;
}

/** How many bytes the message has, if it may wait; 0 for any other. */
static size_t batchable(int socket, const struct msghdr *message, int flags) {
  if (!is_ours(socket) || flags != 0 || message->msg_controllen != 0 || message->msg_iovlen == 0) return 0;
  const struct sockaddr *to = message->msg_name;
  if (to == NULL || message->msg_namelen > sizeof(struct sockaddr_in6)) return 0;
  if (to->sa_family != AF_INET && to->sa_family != AF_INET6) return 0;
  size_t bytes = 0;
  for (size_t part = 0; part < message->msg_iovlen; part++) bytes += message->msg_iov[part].iov_len;
  if (message->msg_iov[0].iov_len == 0 || bytes > MAX_BYTES) return 0;
  // RTP and RTCP begin with version 2. DTLS, STUN and TURN begin with other bytes (RFC 7983 section 7).
  const uint8_t first = *(const uint8_t *)message->msg_iov[0].iov_base;
  return first >= 128 && first <= 191 ? bytes : 0;
}

/** Copies a message of so many bytes behind what waits on its socket. There must be a free slot. */
static void keep(int socket, const struct msghdr *message, size_t bytes) {
  const int16_t index = free_slot;
  struct slot *slot = &slots[index];
  free_slot = slot->next;
  slot->next = NONE;
  memcpy(&slot->to, message->msg_name, message->msg_namelen);
  slot->to_bytes = message->msg_namelen;
  slot->data.iov_len = bytes;
  uint8_t *end = slot->bytes;
  for (size_t part = 0; part < message->msg_iovlen; part++) {
    memcpy(end, message->msg_iov[part].iov_base, message->msg_iov[part].iov_len);
    end += message->msg_iov[part].iov_len;
  }
  struct queue *queue = &queues[socket];
  if (queue->first == NONE)
    queue->first = index;
  else
    slots[queue->last].next = index;
  queue->last = index;
  if (!queue->listed) waiting[waiting_count++] = socket;
  queue->listed = true;
  counters->packets++;
}

static int full_error(void) {
  errno = EAGAIN;
  return -1;
}

static int wait_once(int epoll, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
  return (int)syscall(SYS_epoll_pwait, epoll, events, max, timeout, mask, KERNEL_SIGSET);
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/** Takes "may be written to" from the events of full sockets: libuv would send its later packets before ours. */
static int without_full(struct epoll_event *events, int count) {
  int kept = 0;
  for (int index = 0; index < count; index++) {
    const int socket = events[index].data.fd;
    if (is_ours(socket) && queues[socket].full) events[index].events &= ~(uint32_t)EPOLLOUT;
    if (events[index].events != 0) events[kept++] = events[index];
  }
  return kept;
}

/** epoll_pwait() that tries full sockets again and again meanwhile. */
static int wait_while_full(int epoll, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
  const int64_t end = now_ms() + timeout;
  for (;;) {
    int64_t left = timeout < 0 ? INT32_MAX : end - now_ms();
    if (left < 0) left = 0;
    const int slice = full_count > 0 && left > RETRY_MS ? RETRY_MS : timeout < 0 ? -1 : (int)left;
    const int count = wait_once(epoll, events, max, slice, mask);
    if (count < 0) return count;
    flush_all();
    const int kept = without_full(events, count);
    if (kept > 0 || left == 0 || slice == -1) return kept;
  }
}

/** epoll_pwait(), before which all that waits is sent. */
static int flush_and_wait(int epoll, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
  if (enabled && !loop_known) loop_known = in_loop = true;
  if (in_loop) flush_all();
  if (in_loop && full_count > 0) return wait_while_full(epoll, events, max, timeout, mask);
  return wait_once(epoll, events, max, timeout, mask);
}

/** Lays the counters into a file that others can read meanwhile. */
static void share_counters(const char *name) {
  const int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  void *shared = MAP_FAILED;
  if (ftruncate(file, sizeof(struct counters)) == 0)
    shared = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) counters = shared;
  close(file);
}

__attribute__((constructor)) static void begin(void) {
  const char *setting = getenv("LANECAST_BATCHED_SENDS");
  if (setting == NULL || strcmp(setting, "on") != 0) return;
  for (int16_t index = 0; index < SLOTS; index++) {
    slots[index].data.iov_base = slots[index].bytes;
    slots[index].next = index + 1 < SLOTS ? index + 1 : NONE;
    struct cmsghdr *control = (struct cmsghdr *)controls[index];
    control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
  }
  for (int socket = 0; socket < MAX_SOCKETS; socket++) queues[socket].first = queues[socket].last = NONE;
  const char *report = getenv("LANECAST_BATCHED_SENDS_REPORT");
  if (report != NULL) share_counters(report);
  enabled = true;
}

/** What was sent after the loop's last turn. */
__attribute__((destructor)) static void end(void) {
  if (in_loop) flush_all();
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  const size_t bytes = batchable(socket, message, flags);
  if (bytes > 0) {
    // Full sockets are tried by the loop: each packet of the others would pay for it here.
    if (free_slot == NONE && waiting_count > full_count) flush_all();
    if (free_slot != NONE && !queues[socket].full) {
      keep(socket, message, bytes);
      return (ssize_t)bytes;
    }
  }
  return make_way(socket) ? syscall(SYS_sendmsg, socket, message, flags) : full_error();
}

/**
 * libuv sends by this one what it has queued, from 1.49 on. Where the kernel refuses the first packet, libuv would drop all
 * packets of the call, those to other destinations too: here the first one alone counts as gone.
 */
EXPORTED int sendmmsg(int socket, struct mmsghdr *list, unsigned count, int flags) {
  if (!make_way(socket)) return full_error();
  const int sent = (int)syscall(SYS_sendmmsg, socket, list, count, flags);
  if (sent >= 0 || !is_ours(socket) || errno == EINTR || is_full(errno)) return sent;
  counters->refused++;
  return 1;
}

/** libuv before 1.49 makes the system call in a function of its own, in place of which the linker's --wrap puts this one. */
EXPORTED int __wrap_uv__sendmmsg(int socket, struct mmsghdr *list, unsigned count) {
  return sendmmsg(socket, list, count, 0);
}

EXPORTED int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout) {
  return flush_and_wait(epoll, events, max, timeout, NULL);
}

EXPORTED int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout, const sigset_t *mask) {
  return flush_and_wait(epoll, events, max, timeout, mask);
}

/** libuv takes a socket out of its loop before it closes the socket: the last moment to send. */
EXPORTED int epoll_ctl(int epoll, int operation, int socket, struct epoll_event *event) {
  if (operation == EPOLL_CTL_DEL && !make_way(socket)) {
    // The number may name another socket soon.
    for (int16_t slot = queues[socket].first; slot != NONE; slot = slots[slot].next) {
      slots[slot].message = 0;
      counters->refused++;
    }
    settle(&queues[socket], 1);
    set_full(&queues[socket], false);
  }
  return (int)syscall(SYS_epoll_ctl, epoll, operation, socket, event);
}
