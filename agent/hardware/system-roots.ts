/** Where the kernel's file systems are, absolute paths without a slash at the end. Tests have trees of other machines. */
export interface SystemRoots {
  readonly sys: string
  readonly proc: string
  readonly dev: string
}

export const SYSTEM_ROOTS: SystemRoots = { sys: '/sys', proc: '/proc', dev: '/dev' }
