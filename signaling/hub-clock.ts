import { FineWall } from '../common/clock.ts'

/** The clock that browsers compare with theirs: the machine's clock, by which contracts end and pictures are captured. */
export const HUB_CLOCK = new FineWall()
