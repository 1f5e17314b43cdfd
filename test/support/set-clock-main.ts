/** The hub as its users start it, on a machine whose clock a test sets: by messages `{ set_ms }`, ms to go forward. */

const TrueDate = Date
let aheadMs = 0

globalThis.Date = new Proxy(TrueDate, {
  get: (target, name) => (name === 'now' ? () => target.now() + aheadMs : Reflect.get(target, name)),
  construct: (target, args: unknown[]) =>
    args.length === 0 ? new target(target.now() + aheadMs) : Reflect.construct(target, args),
})

process.on('message', (message: unknown) => {
  const ms: unknown = typeof message === 'object' && message !== null && Reflect.get(message, 'set_ms')
  if (typeof ms === 'number') aheadMs += ms
})

await import('../../server/main.ts')
