import test from 'ava'
import { z } from 'zod'
import { docsPage } from '../../../server/api/docs-page.ts'
import { openApiDocument } from '../../../server/api/openapi.ts'
import { defineRoute } from '../../../server/api/route.ts'
import { apiRig } from './api-rig.ts'

test('the OpenAPI document has every route, and what it refers to', async (t) => {
  await using rig = await apiRig()
  const { json, headers } = await rig.ask('GET', '/openapi.json', { token: null })
  t.is(headers.get('content-type'), 'application/json')
  t.is(json.openapi, '3.1.1')
  for (const { method, path } of rig.routes) t.truthy(json.paths[path]?.[method], `${method} ${path}`)
  const operations = Object.values<object>(json.paths).flatMap((methods) => Object.values(methods))
  const ids = operations.map(({ operationId }) => operationId)
  t.is(new Set(ids).size, ids.length)
  for (const [, name = ''] of JSON.stringify(json).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
    t.truthy(json.components.schemas[name], name)
  for (const { parameters, operationId } of operations)
    for (const { schema, name } of parameters)
      t.truthy(schema.type ?? schema.anyOf ?? schema.enum, `${operationId} ${name}`)
})

test('the reference page loads nothing, runs nothing, and its anchors lead somewhere', async (t) => {
  await using rig = await apiRig()
  const { status, text, headers } = await rig.ask('GET', '/docs', { token: null })
  t.is(status, 200)
  t.regex(headers.get('content-security-policy')!, /^default-src 'none'; style-src 'sha256-[^']+'; /)
  t.notRegex(text, /<script|<link|<img|<iframe|@import|url\(|\son\w+=|\sstyle=/i)
  const ids = new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
  const anchors = [...text.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
  t.true(anchors.length > rig.routes.length)
  for (const anchor of anchors) t.true(ids.has(anchor), anchor)
  t.deepEqual(
    [...new Set([...text.matchAll(/href="([^#"][^"]*)"/g)].map(([, href]) => href))],
    ['/openapi.json'],
  )
  t.is([...text.matchAll(/<article /g)].length, rig.routes.length)
  t.is([...text.matchAll(/curl /g)].length, rig.routes.length)
})

test('what a route says of itself is text on the page, whatever it says', (t) => {
  const route = defineRoute({
    method: 'post',
    path: '/v1/x',
    summary: '<b>"x"</b>',
    action: null,
    cost: 'read',
    description: '`<script>` & "more"',
    body: z.strictObject({ field: z.string().default("it's") }),
    answer: { status: 204 },
    handle: () => undefined,
  })
  const { html } = docsPage(openApiDocument([route], { title: '<i>', version: '1' }))
  t.notRegex(html, /<b>"x"|<script>|<i>/)
  t.true(html.includes('<code>&#60;script&#62;</code> &#38; &#34;more&#34;'))
})
