import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { SqliteDialect } from 'kysely'

/** Most prepared statements. Queries come from a handful of places; this bounds the cost of a mistake. */
const MAX_STATEMENTS = 100

/** kysely over `node:sqlite`. Each text is prepared once. Closing kysely closes the database. */
export function nodeSqliteDialect(database: DatabaseSync): SqliteDialect {
  const prepared = new Map<string, ReturnType<typeof adapt>>()
  return new SqliteDialect({
    database: {
      close: () => database.close(),
      prepare(text) {
        let statement = prepared.get(text)
        if (!statement) {
          statement = adapt(database.prepare(text))
          // The schema changes under prepared statements only during a migration, and there each text comes once.
          if (prepared.size < MAX_STATEMENTS) prepared.set(text, statement)
        }
        return statement
      },
    },
  })
}

function adapt(statement: StatementSync) {
  return {
    reader: statement.columns().length > 0,
    all: (parameters: readonly unknown[]) => statement.all(...parameters.map(inputValue)),
    run: (parameters: readonly unknown[]) => statement.run(...parameters.map(inputValue)),
    iterate: (parameters: readonly unknown[]) => statement.iterate(...parameters.map(inputValue)),
  }
}

function inputValue(value: unknown): SQLInputValue {
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value instanceof Uint8Array
  )
    return value
  throw new TypeError(`SQLite has no type for ${typeof value}`)
}
