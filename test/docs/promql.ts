/** A metric that an expression asks for, with the labels it is matched or grouped by. */
export interface MetricUse {
  readonly metric: string
  readonly labels: readonly string[]
  /** The values with which labels are compared; for a regular expression its text. */
  readonly values: readonly { readonly label: string; readonly value: string }[]
}

const KEYWORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan'])
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g

/** The metrics of a PromQL expression. Labels that are grouped by count for every metric of the expression. */
export function metricUses(expression: string): MetricUse[] {
  const grouped: string[] = []
  const rest = expression.replace(GROUPING, (_all, labels: string) => {
    grouped.push(...labels.split(',').map((label) => label.trim()))
    return ' '
  })
  const uses: MetricUse[] = []
  // A name, and what follows it: `(` makes it a function, `{…}` matches labels; ranges and strings are passed over.
  for (const [, name, open, matchers = ''] of rest.matchAll(
    /(?:"[^"]*"|\[[^\]]*\]|(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\()?(?:\{((?:[^}"]|"[^"]*")*)\})?)/g,
  )) {
    if (name === undefined || open !== undefined || KEYWORDS.has(name)) continue
    const values = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].map(
      ([, label = '', value = '']) => ({ label, value }),
    )
    uses.push({
      metric: name,
      labels: [...values.map(({ label }) => label), ...grouped.filter(Boolean)],
      values,
    })
  }
  return uses
}
