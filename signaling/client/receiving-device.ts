import { Device, detectDeviceAsync } from 'mediasoup-client'
import { Chrome111 } from 'mediasoup-client/handlers/Chrome111'
import { routerRtpCapabilities } from './mediasoup-shapes.ts'

/** The browser's device for the hub's routers, which are alike: making one takes some 20 ms, so it is kept. */
export class ReceivingDevice {
  #made: { readonly device: Promise<Device>; readonly capabilities: string } | null = null

  /** @throws when the capabilities are not mediasoup's, or the browser can do nothing with them. */
  for(capabilities: object): Promise<Device> {
    const key = JSON.stringify(capabilities)
    if (this.#made?.capabilities !== key) this.#made = { device: load(capabilities), capabilities: key }
    return this.#made.device
  }

  /** The browser can receive something else by now: the next device is made anew. */
  forget(): void {
    this.#made = null
  }
}

/** The codecs of video that the browser can receive now, as one text; empty where it does not tell. */
export function receivableVideo(): string {
  const { codecs = [] } = globalThis.RTCRtpReceiver?.getCapabilities?.('video') ?? {}
  return codecs.map(({ mimeType, sdpFmtpLine = '' }) => `${mimeType} ${sdpFmtpLine}`).join('\n')
}

async function load(capabilities: object): Promise<Device> {
  const device = await receivingDevice()
  await device.load({ routerRtpCapabilities: routerRtpCapabilities.parse(capabilities) })
  return device
}

/**
 * A device that only receives. mediasoup-client asks the browser twice what it can do, for each direction with a
 * peer connection of its own; what it can send is nothing to a viewer, and the second one delays the join by 20 ms.
 */
async function receivingDevice(): Promise<Device> {
  if ((await detectDeviceAsync()) !== 'Chrome111') return Device.factory()
  const factory = Chrome111.createFactory({})
  const receiving = factory.getNativeRtpCapabilities({ direction: 'recvonly' })
  return new Device({ handlerFactory: { ...factory, getNativeRtpCapabilities: () => receiving } })
}
