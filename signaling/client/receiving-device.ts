import { Device } from 'mediasoup-client'
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
}

async function load(capabilities: object): Promise<Device> {
  const device = await Device.factory()
  await device.load({ routerRtpCapabilities: routerRtpCapabilities.parse(capabilities) })
  return device
}
