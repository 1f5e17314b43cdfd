import { badRequest } from './refusals.ts'

/** Deepest nesting of arrays and objects in a body. */
export const MAX_DEPTH = 32
/** Keys that reach an object's prototype in careless code. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
export const PROTOTYPE_KEY_LENGTHS: ReadonlySet<number> = new Set([9, 11])

/**
 * Refuses what no request of ours needs and what careless code trips over: nesting deeper than MAX_DEPTH, and prototype
 * keys anywhere.
 * @param value the result of a YAML parser; JSON is checked before it is parsed, see hostile-json.ts
 * @throws CodedError 400
 */
export function refuseHostileData(part: string, value: unknown): void {
  const waiting: { at: object; depth: number }[] = []
  const visit = (inner: unknown, depth: number): void => {
    if (typeof inner !== 'object' || inner === null) return
    if (depth > MAX_DEPTH) throw tooDeep(part)
    waiting.push({ at: inner, depth })
  }
  visit(value, 1)
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { at, depth } = next
    if (!Array.isArray(at)) for (const key of Object.keys(at)) refusePrototypeKey(part, key)
    for (const inner of Object.values(at)) visit(inner, depth + 1)
  }
}

export function tooDeep(part: string): Error {
  return badRequest(`the ${part} is nested too deeply`, [`${part}: nested deeper than ${MAX_DEPTH} levels`])
}

/** @throws CodedError 400 */
export function refusePrototypeKey(part: string, key: string): void {
  if (PROTOTYPE_KEYS.has(key))
    throw badRequest(`the ${part} has a key that is not allowed`, [`${part}: no field may be named ${key}`])
}
