import { exampleOf } from './example-value.ts'
import type { OpenApiOperation, OpenApiParameter } from './openapi.ts'

/** A request as one would type it, with `$HUB` and `$TOKEN` to fill in. */
export function curlLine(method: string, path: string, operation: OpenApiOperation): string {
  const { parameters, requestBody, security } = operation
  const json = requestBody?.content['application/json']
  const [other] = Object.keys(requestBody?.content ?? {})
  const body =
    json === undefined
      ? other !== undefined && [
          `-H 'Content-Type: ${other}'`,
          `--data-binary @body.${other.replace(/^.*\//, '')}`,
        ]
      : [`-H 'Content-Type: application/json'`, `-d '${quoted(JSON.stringify(exampleOf(json.schema)))}'`]
  const lines = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}"$HUB${filled(path, parameters)}"`,
    ...(security.some((each) => 'bearer' in each) ? [`-H "Authorization: Bearer $TOKEN"`] : []),
    ...(security.some((each) => 'bearer' in each) || security.length === 0
      ? []
      : ['--cert node.pem --key node.key']),
    ...parameters
      .filter((each) => each.in === 'header' && each.required)
      .map(({ name }) => `-H '${name}: "1"'`),
    ...(body || []),
  ]
  return lines.join(' \\\n  ')
}

function filled(path: string, parameters: readonly OpenApiParameter[]): string {
  const textOf = ({ name, schema }: OpenApiParameter) => encodeURIComponent(String(exampleOf(schema, name)))
  let url = path
  for (const parameter of parameters.filter((each) => each.in === 'path'))
    url = url.replace(`{${parameter.name}}`, textOf(parameter))
  const query = parameters.filter((each) => each.in === 'query' && each.required)
  return query.length === 0 ? url : `${url}?${query.map((each) => `${each.name}=${textOf(each)}`).join('&')}`
}

/** Fit to stand between a shell's single quotes. */
function quoted(text: string): string {
  return text.replaceAll("'", String.raw`'\''`)
}
