/*
 * Stands in for ankerl::unordered_dense, which Debian and Ubuntu do not package, on top of abseil's flat hash
 * containers: like the original they store values inline, and any insertion may move them.
 */
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>
#include <cstdint>
#include <functional>
#include <iterator>

namespace ankerl::unordered_dense {

template <typename T>
struct hash {
  uint64_t operator()(const T& value) const { return absl::Hash<T>{}(value); }
};

namespace detail {

/* abseil's erase(iterator) returns nothing; the original returns where to go on, and the worker uses it. */
template <typename Base>
struct table : Base {
  using Base::Base;
  using Base::erase;

  typename Base::iterator erase(typename Base::iterator position) {
    const auto next = std::next(position);
    Base::erase(position);
    return next;
  }
};

}  // namespace detail

template <typename Key, typename T, typename Hash = hash<Key>, typename Equal = std::equal_to<Key>>
using map = detail::table<absl::flat_hash_map<Key, T, Hash, Equal>>;

template <typename Key, typename Hash = hash<Key>, typename Equal = std::equal_to<Key>>
using set = detail::table<absl::flat_hash_set<Key, Hash, Equal>>;

}  // namespace ankerl::unordered_dense
