import type { Check } from './check.ts'
import { certificate } from './checks/certificate.ts'
import { clock } from './checks/clock.ts'
import { configFile } from './checks/config-file.ts'
import { connectionTracking } from './checks/connection-tracking.ts'
import { database } from './checks/database.ts'
import { descriptors } from './checks/descriptors.ts'
import { disk } from './checks/disk.ts'
import { dns } from './checks/dns.ts'
import { librist } from './checks/librist.ts'
import { mediaAddresses } from './checks/media-addresses.ts'
import { ports } from './checks/ports.ts'
import { reach } from './checks/reach.ts'
import { relays } from './checks/relays.ts'
import { slates } from './checks/slates.ts'
import { socketBuffers } from './checks/socket-buffers.ts'
import { worker } from './checks/worker.ts'

/** All checks, in the order in which they run and are told. Ports and reach open the same ports, so none runs beside another. */
export const CHECKS: readonly Check[] = [
  configFile,
  worker,
  librist,
  slates,
  database,
  disk,
  ports,
  mediaAddresses,
  dns,
  reach,
  relays,
  certificate,
  clock,
  socketBuffers,
  descriptors,
  connectionTracking,
]
