export type Dialect = 'sqlite' | 'postgres'

/**
 * One step from a released schema to the next. Never edited once released: what it got wrong, the next puts right.
 * It runs in a transaction together with the note that it ran.
 */
export interface Migration {
  /** Counts from 1 without gaps. */
  readonly version: number
  readonly name: string
  /** Statements for each database, in order. */
  readonly statements: Readonly<Record<Dialect, readonly string[]>>
}
