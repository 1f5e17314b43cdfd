import { createHash } from 'node:crypto'
import { curlLine } from './curl-line.ts'
import { DOCS_STYLE } from './docs-style.ts'
import type { JsonSchema, OpenApiDocument, OpenApiOperation, OpenApiParameter } from './openapi.ts'
import { notesOf, type SchemaRow, schemaRows, typeOf } from './schema-rows.ts'

export interface DocsPage {
  readonly html: string
  /** The `Content-Security-Policy` that lets the page's own style in, and nothing else. */
  readonly policy: string
}

interface Entry {
  readonly method: string
  readonly path: string
  readonly operation: OpenApiOperation
}

/** The API's reference for people: one page without scripts that loads nothing. */
export function docsPage(document: OpenApiDocument): DocsPage {
  const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )
  const groups = [...Map.groupBy(entries, ({ operation }) => operation.tags[0] ?? 'hub')]
  const { title, version, description } = document.info
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${DOCS_STYLE}</style>
</head>
<body>
<nav aria-label="Routes">
<a href="#top"><b>${text(title)}</b></a>
${groups.map(([tag, ofTag]) => navGroup(tag, ofTag)).join('\n')}
</nav>
<main id="top">
<h1>${text(title)}</h1>
<p class="who">Version ${text(version)}. <a href="/openapi.json">OpenAPI document</a></p>
<p>${prose(description)}</p>
<p>Set <code>HUB</code> to where the hub listens and <code>TOKEN</code> to a token of it, and the examples can be run: <code>export HUB=http://127.0.0.1:9415 TOKEN=lc_…</code></p>
${groups.map(([tag, ofTag]) => `<h2 id="${slug(tag)}">${text(words(tag))}</h2>\n${ofTag.map(article).join('\n')}`).join('\n')}
</main>
</body>
</html>
`
  const hash = createHash('sha256').update(DOCS_STYLE).digest('base64')
  return {
    html,
    policy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  }
}

function navGroup(tag: string, entries: readonly Entry[]): string {
  const items = entries.map(
    ({ method, operation }) =>
      `<li><a href="#${slug(operation.operationId)}">${methodOf(method)}<span>${text(operation.summary)}</span></a></li>`,
  )
  return `<strong>${text(words(tag))}</strong>\n<ul>${items.join('')}</ul>`
}

function article({ method, path, operation }: Entry): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation
  const id = slug(operationId)
  const body = requestBody?.content['application/json']?.schema
  const types = Object.keys(requestBody?.content ?? {})
  const fieldsOfBody = body === undefined ? '' : schemaTable(body)
  return `<article id="${id}">
<h3><a href="#${id}">${text(summary)}</a></h3>
<p class="request">${methodOf(method)}<code>${text(path)}</code></p>
<p>${prose(description)}</p>
<p class="who">${who(operation)}</p>
${parameters.length === 0 ? '' : `<h4>Parameters</h4>${table(parameters.map(parameterRow))}`}
${types.length === 0 ? '' : `<h4>Body</h4><p class="who">${types.map(code).join(' or ')}</p>${fieldsOfBody}`}
<pre><code>${text(curlLine(method, path, operation))}</code></pre>
<h4>Answers</h4>
${answers(responses)}
</article>`
}

function who({ security, 'x-lanecast-action': action, 'x-lanecast-role': role }: OpenApiOperation): string {
  if (security.length === 0) return 'Needs no token.'
  if (role === 'node') return 'For nodes, with their certificate.'
  const needs = action === undefined ? '' : `Needs ${code(action)}.`
  if (security.some((each) => Object.keys(each).length === 0))
    return `${needs} Needs no token where the tenant's ACL allows it to <code>anonymous</code>.`
  return role === 'admin' ? `For the hub's admin. ${needs}` : needs
}

function answers(responses: OpenApiOperation['responses']): string {
  const rows = Object.entries(responses).map(([status, { description }]) => [
    code(status),
    prose(description),
  ])
  const [status, good] = Object.entries(responses).find(([each]) => each.startsWith('2')) ?? []
  const schema = good?.content?.['application/json']?.schema
  const fields = schema === undefined ? '' : schemaTable(schema)
  const headers = Object.entries(good?.headers ?? {})
  const headerRows = headers.map(([name, { description }]) => [code(name), prose(description)])
  return `${cells(['Status', 'Meaning'], rows)}${headerRows.length === 0 ? '' : cells([`Header of ${status}`, 'Meaning'], headerRows)}${fields === '' ? '' : `<details><summary>Fields of the answer</summary>${fields}</details>`}`
}

function parameterRow({ name, in: where, required, description, schema }: OpenApiParameter): SchemaRow {
  return {
    field: name,
    type: typeOf(schema),
    required,
    notes: [`in the ${where}`, ...(description === undefined ? [] : [description]), ...notesOf(schema)],
  }
}

function schemaTable(schema: JsonSchema): string {
  const rows = schemaRows(schema)
  return rows.length === 0 ? '' : table(rows)
}

function table(rows: readonly SchemaRow[]): string {
  const mark = '<span class="needed" title="required">*</span>'
  return cells(
    ['Field', 'Type', 'Notes'],
    rows.map(({ field, type, required, notes }) => [
      `${code(field)}${required ? mark : ''}`,
      text(type),
      notes.map(prose).join('; '),
    ]),
  )
}

/** `rows` hold HTML. */
function cells(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => {
    const last = row.length - 1
    return `<tr>${row.map((cell, index) => (index === last ? `<td class="notes">${cell}</td>` : `<td>${cell}</td>`)).join('')}</tr>`
  })
  return `<div class="table"><table><thead><tr>${head.map((each) => `<th>${text(each)}</th>`).join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

function methodOf(method: string): string {
  return `<span class="method ${slug(method)}">${text(method.toUpperCase())}</span>`
}

function words(tag: string): string {
  return tag.replaceAll('-', ' ')
}

function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
}

function code(content: string): string {
  return `<code>${text(content)}</code>`
}

/** Text in which backquotes mark code. */
function prose(content: string): string {
  return text(content).replace(/`([^`]+)`/g, '<code>$1</code>')
}

function text(content: string): string {
  return content.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
