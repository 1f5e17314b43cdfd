/** IANA's special-purpose addresses of IPv4 (RFC 6890 and its successors): none is a machine on the public internet. */
export const SPECIAL_IPV4: readonly string[] = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
]

/** Those of IPv6 within 2000::/3: Teredo and others of 2001::/23, documentation, 6to4. */
export const SPECIAL_UNICAST_IPV6: readonly string[] = [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]
