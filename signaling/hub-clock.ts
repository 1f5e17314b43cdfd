import { FineWall } from '../common/clock.ts'

/** The clock that browsers compare with theirs: contracts end, and pictures were captured, by the machine's clock. */
export const HUB_CLOCK = new FineWall()
