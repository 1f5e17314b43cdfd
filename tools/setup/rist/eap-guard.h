/*
 * Keeps answers from librist that it does not wait for (EAP-SRP, RFC 3748 and VSF TR-06-2). When an authentication fails
 * librist 0.2.7 forgets its session and goes on to take answers to the questions before: the next one is handled without a
 * session, which ends the process. That happens on every path with a round trip of more than half a second.
 *
 * An answer passes only while librist's last question to that address is the one that is answered.
 */
#ifndef EAP_GUARD_H
#define EAP_GUARD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
  /** addresses remembered at a time; one that takes another's place costs that one a repeated question */
  EAP_ADDRESSES = 1024,
  EAP_REQUEST = 1,
  EAP_RESPONSE = 2,
  EAP_TYPE_SRP = 19,
  /** GRE without options, EAPOL, EAP, type and subtype */
  EAP_SRP_BYTES = 14,
};

struct eap_asked {
  uint64_t address;
  /** 0: nothing that SRP could answer */
  uint8_t subtype;
};

static _Thread_local struct eap_asked eap_asked[EAP_ADDRESSES];

/** FNV-1a over the socket and the bytes of the address. */
static uint64_t eap_address(int socket, const struct sockaddr *address, socklen_t bytes) {
  uint64_t hash = 14695981039346656037ULL ^ (uint64_t)(unsigned)socket;
  const uint8_t *at = (const uint8_t *)address;
  // Of an IPv4 address the last 8 bytes are padding.
  const socklen_t length = address->sa_family == AF_INET && bytes > 8 ? 8 : bytes;
  for (socklen_t each = 0; each < length; each++) hash = (hash ^ at[each]) * 1099511628211ULL;
  return hash;
}

static bool is_eap(const uint8_t *packet, size_t bytes) {
  return bytes >= 12 && packet[0] == 0 && packet[1] == 0 && packet[2] == 0x88 && packet[3] == 0x8e && packet[5] == 0;
}

/** librist sends this packet. */
static void eap_sent(int socket, const uint8_t *packet, size_t bytes, const struct sockaddr *to, socklen_t to_bytes) {
  if (to == NULL || !is_eap(packet, bytes)) return;
  const uint64_t address = eap_address(socket, to, to_bytes);
  struct eap_asked *asked = &eap_asked[address % EAP_ADDRESSES];
  asked->address = address;
  const bool is_question = packet[8] == EAP_REQUEST && bytes >= EAP_SRP_BYTES && packet[12] == EAP_TYPE_SRP;
  asked->subtype = is_question ? packet[13] : 0;
}

/** Whether librist may have this packet. */
static bool eap_passes(int socket, const uint8_t *packet, size_t bytes, const struct sockaddr *from, socklen_t from_bytes) {
  if (!is_eap(packet, bytes) || packet[8] != EAP_RESPONSE) return true;
  if (bytes < EAP_SRP_BYTES || packet[12] != EAP_TYPE_SRP) return true;
  const uint64_t address = eap_address(socket, from, from_bytes);
  const struct eap_asked *asked = &eap_asked[address % EAP_ADDRESSES];
  return asked->address == address && asked->subtype == packet[13];
}
#endif
