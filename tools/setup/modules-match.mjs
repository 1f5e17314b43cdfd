// Whether node_modules already holds what package-lock.json asks for: exit status 0 or 1. npm keeps a lock file of its
// installed modules inside node_modules. Plain JavaScript, because the machine's own Node may be as old as 18.
import { readFileSync } from 'node:fs'

function packages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

function match() {
  const wanted = packages('package-lock.json')
  const installed = packages('node_modules/.package-lock.json')
  const same = Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (!found) return entry.optional === true || entry.peer === true
    return found.version === entry.version && found.integrity === entry.integrity
  })
  return same && Object.keys(installed).every((path) => path in wanted)
}

try {
  process.exitCode = match() ? 0 : 1
} catch {
  process.exitCode = 1
}
