/*
 * The part of the libsrtp 3 interface that the mediasoup worker uses, on top of libsrtp 2, which is what
 * Debian and Ubuntu have. Semantics that differ, and how they are bridged:
 *
 * - libsrtp 3 policies are opaque and hold key and salt apart; libsrtp 2 wants one struct and key||salt.
 * - libsrtp 3 (un)protects from one buffer into another and is told the size of the second; libsrtp 2 works in
 *   place and needs SRTP_MAX_TRAILER_LEN spare bytes (RFC 3711 section 3.1: the packet grows by MKI and tag).
 * - SSRCs given to srtp_stream_remove() are in network byte order in both.
 */
#pragma once

#define srtp_policy_t srtp2_policy_t
#include <srtp2/srtp.h>
#undef srtp_policy_t

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

// Macros, so that a libsrtp 2 that learns these names does not clash. The values are those of libsrtp 3.
#define srtp_err_status_buffer_small (static_cast<srtp_err_status_t>(28))
#define srtp_err_status_cryptex_err (static_cast<srtp_err_status_t>(29))

struct lanecast_srtp_policy {
  srtp2_policy_t policy{};
  uint8_t key[SRTP_MAX_KEY_LEN]{};
};
using srtp_policy_t = lanecast_srtp_policy*;

inline srtp_err_status_t srtp_policy_create(srtp_policy_t* out) {
  auto* created = new (std::nothrow) lanecast_srtp_policy;
  if (!created) return srtp_err_status_alloc_fail;
  created->policy.key = created->key;
  *out = created;
  return srtp_err_status_ok;
}

inline void srtp_policy_destroy(srtp_policy_t policy) {
  if (!policy) return;
  // volatile: the compiler may not drop the wiping of a key that nobody reads any more.
  volatile uint8_t* key = policy->key;
  for (size_t i = 0; i < sizeof(policy->key); i++) key[i] = 0;
  delete policy;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp_policy_t policy, srtp_ssrc_t ssrc) {
  policy->policy.ssrc = ssrc;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_profile(srtp_policy_t policy, srtp_profile_t profile) {
  const auto status = srtp_crypto_policy_set_from_profile_for_rtp(&policy->policy.rtp, profile);
  if (status != srtp_err_status_ok) return status;
  return srtp_crypto_policy_set_from_profile_for_rtcp(&policy->policy.rtcp, profile);
}

inline srtp_err_status_t srtp_policy_add_key(
    srtp_policy_t policy, const uint8_t* key, size_t key_len, const uint8_t* salt, size_t salt_len,
    const uint8_t* mki, size_t mki_len) {
  if (mki || mki_len) return srtp_err_status_bad_param;
  if (key_len + salt_len > sizeof(policy->key)) return srtp_err_status_bad_param;
  std::memcpy(policy->key, key, key_len);
  std::memcpy(policy->key + key_len, salt, salt_len);
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp_policy_t policy, bool allow) {
  policy->policy.allow_repeat_tx = allow ? 1 : 0;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp_policy_t policy, size_t packets) {
  policy->policy.window_size = packets;
  return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_create(srtp_t* session, srtp_policy_t policy) {
  return srtp_create(session, static_cast<const srtp2_policy_t*>(&policy->policy));
}

namespace lanecast_srtp {

/* Runs one of libsrtp 2's in-place calls on `out`, to which `in` is copied first unless they are the same. */
template <typename Call>
inline srtp_err_status_t in_place(
    const uint8_t* in, size_t in_len, uint8_t* out, size_t* out_len, size_t growth, Call call) {
  if (in_len + growth > *out_len) return srtp_err_status_buffer_small;
  if (in != out) std::memcpy(out, in, in_len);
  int len = static_cast<int>(in_len);
  const srtp_err_status_t status = call(static_cast<void*>(out), &len);
  if (status == srtp_err_status_ok) *out_len = static_cast<size_t>(len);
  return status;
}

}  // namespace lanecast_srtp

inline srtp_err_status_t srtp_protect(
    srtp_t session, const uint8_t* rtp, size_t rtp_len, uint8_t* srtp, size_t* srtp_len, size_t /*mki_index*/) {
  return lanecast_srtp::in_place(rtp, rtp_len, srtp, srtp_len, SRTP_MAX_TRAILER_LEN, [session](void* data, int* len) {
    return ::srtp_protect(session, data, len);
  });
}

inline srtp_err_status_t srtp_protect_rtcp(
    srtp_t session, const uint8_t* rtcp, size_t rtcp_len, uint8_t* srtcp, size_t* srtcp_len,
    size_t /*mki_index*/) {
  return lanecast_srtp::in_place(
      rtcp, rtcp_len, srtcp, srtcp_len, SRTP_MAX_TRAILER_LEN,
      [session](void* data, int* len) { return ::srtp_protect_rtcp(session, data, len); });
}

inline srtp_err_status_t srtp_unprotect(
    srtp_t session, const uint8_t* srtp, size_t srtp_len, uint8_t* rtp, size_t* rtp_len) {
  return lanecast_srtp::in_place(srtp, srtp_len, rtp, rtp_len, 0, [session](void* data, int* len) {
    return ::srtp_unprotect(session, data, len);
  });
}

inline srtp_err_status_t srtp_unprotect_rtcp(
    srtp_t session, const uint8_t* srtcp, size_t srtcp_len, uint8_t* rtcp, size_t* rtcp_len) {
  return lanecast_srtp::in_place(srtcp, srtcp_len, rtcp, rtcp_len, 0, [session](void* data, int* len) {
    return ::srtp_unprotect_rtcp(session, data, len);
  });
}

inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrc) {
  return srtp_remove_stream(session, ssrc);
}
