/** Control characters but line feeds and tabs: on a terminal they move, hide and rename things. */
const CONTROL = /[^\P{Cc}\n\t]/gu

/**
 * Text as it may stand on a terminal. Much of what is shown comes from elsewhere: reasons of the hub, names of cameras,
 * files that somebody sent.
 */
export function shown(text: string): string {
  return text.replaceAll(CONTROL, '\u{fffd}')
}

/** Writes to standard output. */
export function say(text: string): void {
  process.stdout.write(shown(text))
}

/** Writes to standard error. */
export function complain(text: string): void {
  process.stderr.write(shown(text))
}
