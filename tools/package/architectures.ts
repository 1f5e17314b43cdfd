/** Machines that the agent is packaged for, as Debian names them, and Node's names of the same. */
export const NODE_ARCH = { amd64: 'x64', arm64: 'arm64' } as const
export type Architecture = keyof typeof NODE_ARCH
export const ARCHITECTURES = Object.keys(NODE_ARCH) as readonly Architecture[]

/** The machine that this program runs on; undefined for one that the agent is not packaged for. */
export const OWN_ARCHITECTURE = ARCHITECTURES.find((architecture) => NODE_ARCH[architecture] === process.arch)
