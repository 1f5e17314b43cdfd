import type { Route } from '../route.ts'
import { autoRoute } from './auto.ts'
import { changeProgram } from './change-program.ts'
import { createProgram } from './create-program.ts'
import { deleteProgram } from './delete-program.ts'
import { getProgram } from './get-program.ts'
import { listPrograms } from './list-programs.ts'
import { lockRoute, unlockRoute } from './lock.ts'
import { previewRoute } from './preview.ts'
import type { ProgramParts } from './program-parts.ts'
import { takeRoute } from './take.ts'

/** Every route about programs, in the order of the reference. */
export function programRoutes(parts: ProgramParts): Route[] {
  return [
    createProgram(parts),
    listPrograms(parts),
    getProgram(parts),
    changeProgram(parts),
    deleteProgram(parts),
    takeRoute(parts),
    previewRoute(parts),
    autoRoute(parts),
    lockRoute(parts),
    unlockRoute(parts),
  ]
}
