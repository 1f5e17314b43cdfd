import { useBundledPackages } from './bundled-packages.ts'

/** For `node --import`: the program that follows finds its packages in the bundle. */
useBundledPackages()
