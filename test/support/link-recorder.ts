import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { LINK_STEPS, type LinkRecord } from '../../sfu/bandwidth-manager.ts'
import { Recording } from '../policy/link/recording.ts'

/**
 * Records the links of a hub's viewers as `test/policy/recorded` has them, a file each, in the folder LINK_RECORDING.
 * It is loaded into the hub, for instance of a bench:
 * `LINK_RECORDING=/tmp/links NODE_OPTIONS=--import=$PWD/test/support/link-recorder.ts npm run bench -- abr`
 */
const folder = process.env['LINK_RECORDING']
const recordings = new WeakMap<object, { readonly path: string; readonly recording: Recording }>()
let links = 0

LINK_STEPS.subscribe((message) => {
  if (folder === undefined) return
  const { link, fact, seen, actions } = message as LinkRecord
  const known = recordings.get(link) ?? {
    path: join(folder, `${process.pid}-${++links}.jsonl`),
    recording: new Recording(),
  }
  recordings.set(link, known)
  appendFileSync(known.path, known.recording.line(fact, seen, actions))
})
