import type { types } from 'mediasoup-client'
import type { IceAccess } from '../../common/wire/flow-contract.ts'
import { iceServersOf } from './mediasoup-shapes.ts'

/** The relays of a contract as mediasoup-client takes them. With `relay` nothing but them is tried. */
export function iceConfiguration({ ice_servers, ice_transport_policy }: IceAccess) {
  return {
    iceServers: iceServersOf(ice_servers),
    iceTransportPolicy: ice_transport_policy,
  } satisfies Pick<types.TransportOptions, 'iceServers' | 'iceTransportPolicy'>
}
