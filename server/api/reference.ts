import { z } from 'zod'
import type { DocsPage } from './docs-page.ts'
import type { OpenApiDocument } from './openapi.ts'
import { defineRoute, Reply, type Route } from './route.ts'

/**
 * The routes given and the routes that describe them all, themselves included.
 * @param elsewhere routes that are described here and served elsewhere
 */
export function withReference(
  routes: readonly Route[],
  info: { readonly title: string; readonly version: string },
  elsewhere: readonly Route[] = [],
): Route[] {
  const own: Route[] = [
    defineRoute({
      method: 'get',
      path: '/openapi.json',
      summary: 'Get the OpenAPI document',
      description: 'Made from the very schemas that validate requests.',
      action: null,
      cost: 'read',
      answer: { status: 200, schema: z.record(z.string(), z.unknown()) },
      handle: async () => new Reply({ ...(await reference()).document }, { 'cache-control': 'no-cache' }),
    }),
    defineRoute({
      method: 'get',
      path: '/docs',
      summary: 'Read the reference',
      description: 'This page, for people.',
      action: null,
      cost: 'read',
      answer: { status: 200, type: 'text/html; charset=utf-8' },
      handle: async () => {
        const { html, policy } = (await reference()).page
        return new Reply(html, { 'content-security-policy': policy, 'cache-control': 'no-cache' })
      },
    }),
  ]
  const all = [...routes, ...own]
  let made: Promise<Reference> | undefined
  /** Made for the first reader: few readers ever ask for the reference, and a hub should not start later for them. */
  const reference = () => {
    made ??= make([...all, ...elsewhere], info).catch((error) => {
      // For instance, the hub has no descriptors left. The next reader may have more luck.
      made = undefined
      throw error
    })
    return made
  }
  return all
}

interface Reference {
  readonly document: OpenApiDocument
  readonly page: DocsPage
}

async function make(
  routes: readonly Route[],
  info: { readonly title: string; readonly version: string },
): Promise<Reference> {
  const [{ openApiDocument }, { docsPage }] = await Promise.all([
    import('./openapi.ts'),
    import('./docs-page.ts'),
  ])
  const document = openApiDocument(routes, info)
  return { document, page: docsPage(document) }
}
