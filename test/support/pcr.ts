/** The clock of a TS packet in ticks of 90 kHz, where it has one (ISO/IEC 13818-1 section 2.4.3.5). */
export function readPcr(packet: Buffer): number | undefined {
  const hasAdaptation = (packet[3]! & 0x20) !== 0
  if (!hasAdaptation || packet[4] === 0 || (packet[5]! & 0x10) === 0) return undefined
  return packet.readUInt32BE(6) * 2 + (packet[10]! >> 7)
}
