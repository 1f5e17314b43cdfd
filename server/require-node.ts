/** The oldest Node that runs TypeScript as it is and has everything that the hub uses. */
const OLDEST = 24

/** Ends the process with a clear line when its Node is too old. */
export function requireNode(version = process.versions.node): void {
  if (Number.parseInt(version, 10) >= OLDEST) return
  process.stderr.write(
    `lanecast: Node ${OLDEST} or newer is needed, this is ${version}; npm run setup brings it, npm start uses it\n`,
  )
  process.exit(2)
}
