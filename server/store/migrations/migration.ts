export type Dialect = 'sqlite' | 'postgres'

/**
 * One step from a released schema to the next. A released migration is never edited: a later migration corrects its
 * mistakes. It runs in one transaction together with the note that it ran.
 */
export interface Migration {
  /** Counts from 1 without gaps. */
  readonly version: number
  readonly name: string
  /** Statements for each database, in order. */
  readonly statements: Readonly<Record<Dialect, readonly string[]>>
}
