import { Device, type types } from 'mediasoup-client'
import { routerRtpCapabilities } from './mediasoup-shapes.ts'
import type { PublishCodec } from './publish-encodings.ts'

/** The browser's device for sending to the hub's routers, which are all alike. It is made once. */
export class SendingDevice {
  #device: Promise<Device> | null = null

  /** The device for these router capabilities. @throws when this browser can't send to them */
  for(capabilities: object): Promise<Device> {
    this.#device ??= load(capabilities)
    return this.#device
  }
}

async function load(capabilities: object): Promise<Device> {
  const device = await Device.factory()
  await device.load({ routerRtpCapabilities: routerRtpCapabilities.parse(capabilities) })
  return device
}

/** The codec on which this browser and the hub's routers agree; undefined where one of them lacks it. */
export function codecOf(device: Device, codec: PublishCodec): types.RtpCodecCapability | undefined {
  return device.sendRtpCapabilities.codecs?.find(
    ({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`,
  )
}
