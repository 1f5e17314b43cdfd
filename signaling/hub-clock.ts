import { FineWall } from '../common/clock.ts'

/** What browsers compare their clocks with: contracts end, and pictures were captured, by the machine's clock. */
export const HUB_CLOCK = new FineWall()
