import { Device, detectDeviceAsync } from 'mediasoup-client'
import { Chrome111 } from 'mediasoup-client/handlers/Chrome111'
import { routerRtpCapabilities } from './mediasoup-shapes.ts'

/** The browser's device for the hub's routers, which are all alike. Making a device takes some 20 ms, so it is kept. */
export class ReceivingDevice {
  #made: { readonly device: Promise<Device>; readonly capabilities: string } | null = null

  /** @throws when the capabilities are not mediasoup's, or the browser can't use any of them */
  for(capabilities: object): Promise<Device> {
    const key = JSON.stringify(capabilities)
    if (this.#made?.capabilities !== key) this.#made = { device: load(capabilities), capabilities: key }
    return this.#made.device
  }

  /** The browser's codecs have changed: the next call makes a new device. */
  forget(): void {
    this.#made = null
  }
}

/** The video codecs that the browser can receive now, as one text; empty where the browser does not tell. */
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
 * A device that only receives. mediasoup-client asks the browser about both directions, each with a peer connection of
 * its own. A viewer does not need the sending direction, and the second peer connection delays the join by 20 ms.
 */
async function receivingDevice(): Promise<Device> {
  if ((await detectDeviceAsync()) !== 'Chrome111') return Device.factory()
  const factory = Chrome111.createFactory({})
  const receiving = factory.getNativeRtpCapabilities({ direction: 'recvonly' })
  return new Device({ handlerFactory: { ...factory, getNativeRtpCapabilities: () => receiving } })
}
