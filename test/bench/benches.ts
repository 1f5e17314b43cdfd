import { abr } from './abr.ts'
import { agent } from './agent.ts'
import type { Bench } from './bench.ts'
import { bond } from './bond.ts'
import { decide } from './decide.ts'
import { detour } from './detour.ts'
import { fanout } from './fanout.ts'
import { g2g } from './g2g.ts'
import { hub } from './hub.ts'
import { ingest } from './ingest.ts'
import { join } from './join.ts'
import { recover } from './recover.ts'
import { roam } from './roam.ts'
import { saturate } from './saturate.ts'
import { start } from './start.ts'
import { switched } from './switch.ts'
import { turn } from './turn.ts'

/** What `npm run bench` can run, by name. */
export const BENCHES: Readonly<Record<string, Bench>> = {
  abr,
  agent,
  bond,
  decide,
  detour,
  fanout,
  g2g,
  hub,
  ingest,
  join,
  recover,
  roam,
  saturate,
  start,
  switch: switched,
  turn,
}
