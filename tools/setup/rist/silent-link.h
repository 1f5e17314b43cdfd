/*
 * Knows which links of a receiver have fallen silent. librist asks for lost packets by the link with the shortest round trip,
 * also when that link is the one that has just died: until librist notices, after two seconds, nothing of what the link had on
 * its way is repaired. A copy of the question by a link that is heard brings the packets while they are still of use.
 *
 * All links of a process belong to one sender, and any of them takes what was meant for another: keys come from the same
 * passphrase. Authentication is left out, which is between the two ends of a link.
 */
#ifndef SILENT_LINK_H
#define SILENT_LINK_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
  /** A link is silent after eight times its mean gap, within these bounds: pictures leave gaps, too, and of a link
   * without media only control packets come, every 100 ms. */
  GAPS = 8,
  SILENT_MIN_NS = 60000000,
  SILENT_MAX_NS = 250000000,
  CARRIES_WITHIN_NS = 150000000,
};

/** The sender's end of a link, as far as librist answers it, and when it was heard. */
struct link_ends {
  struct sockaddr_storage peer;
  socklen_t peer_bytes;
  /** 0: never */
  int64_t heard_ns;
  /** Mean time between two packets, by an eighth of each. */
  int64_t gap_ns;
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool is_peer(const struct link_ends *ends, const void *address, socklen_t bytes) {
  if (bytes != ends->peer_bytes || bytes == 0) return false;
  // Of an IPv4 address the last 8 bytes are padding.
  const size_t length = ends->peer.ss_family == AF_INET && bytes > 8 ? 8 : bytes;
  return memcmp(&ends->peer, address, length) == 0;
}

/** Something arrived on the link. What comes from an address that librist does not answer says nothing. */
static void link_heard(struct link_ends *ends, const void *from, socklen_t bytes) {
  if (!is_peer(ends, from, bytes)) return;
  const int64_t now = now_ns();
  if (ends->heard_ns != 0) ends->gap_ns += (now - ends->heard_ns - ends->gap_ns) / 8;
  ends->heard_ns = now;
}

/** Whether librist is about to send to a link that was heard, and is not any more. Learns the link's address. */
static bool link_is_silent(struct link_ends *ends, const struct sockaddr *to, socklen_t bytes, int64_t now) {
  if (is_peer(ends, to, bytes)) {
    const int64_t usual = GAPS * ends->gap_ns;
    const int64_t patience = usual < SILENT_MIN_NS ? SILENT_MIN_NS : usual > SILENT_MAX_NS ? SILENT_MAX_NS : usual;
    return ends->heard_ns != 0 && now - ends->heard_ns > patience;
  }
  if (bytes > sizeof ends->peer) return false;
  memset(&ends->peer, 0, sizeof ends->peer);
  memcpy(&ends->peer, to, bytes);
  ends->peer_bytes = bytes;
  ends->heard_ns = now;
  ends->gap_ns = SILENT_MAX_NS / GAPS;
  return false;
}

static bool link_carries(const struct link_ends *ends, int64_t now) {
  return ends->heard_ns != 0 && now - ends->heard_ns < CARRIES_WITHIN_NS;
}
#endif
