import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent, request } from 'node:https'
import type { AxiosAdapter, AxiosResponse } from 'axios'
import { CodedError, messageOf } from '../../../common/errors.ts'
import { acmeProblem, NONCE_PROBLEM, problemSchema } from './acme-problem.ts'

type Library = typeof import('acme-client')

/** What all requests of one piece of work have in common. */
export interface AcmeWork {
  readonly signal: AbortSignal
  /** PEM of the CAs that may have signed the certificate of the ACME server; null: those that Node knows. */
  readonly ca: string | null
}

/** Longest wait for one answer of the CA, ms. */
const ANSWER_MS = 20_000
/** Longest answer of the CA: chains are a few KiB, bytes. */
const ANSWER_BYTES = 256 * 1024

const work = new AsyncLocalStorage<AcmeWork>()
let library: Promise<Library> | undefined

/**
 * acme-client, which only a hub that orders certificates loads. The library retries by itself, for hours if the CA says
 * so, can't be stopped, and turns a refused connection into a TypeError. Here its requests go through our own adapter,
 * and whoever orders decides when to try again.
 * @throws CodedError `acme_unreachable`, `acme_refused` and what problems of the CA mean; the signal's reason
 */
export async function withAcme<T>(about: AcmeWork, use: (acme: Library) => Promise<T>): Promise<T> {
  library ??= import('acme-client').then((acme) => {
    Object.assign(acme.axios.defaults, { adapter: exchange })
    // `retryMaxAttempts` stands in the defaults of the library's own instance of axios.
    Object.assign((acme.axios.defaults as unknown as Record<'acmeSettings', object>).acmeSettings, {
      retryMaxAttempts: 0,
    })
    return acme
  })
  const acme = await library
  try {
    return await work.run(about, () => use(acme))
  } catch (error) {
    about.signal.throwIfAborted()
    if (error instanceof CodedError) throw error
    // The library takes answers as they come, and fails somewhere where they are not as they should be.
    throw new CodedError('acme_refused', `the ACME server is not understood: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** One request to the CA. @throws CodedError `acme_unreachable`, or what the CA's problem document means */
const exchange: AxiosAdapter = async (config) => {
  const { signal, ca } = work.getStore()!
  const url = new URL(String(config.url))
  if (url.protocol !== 'https:')
    throw new CodedError('acme_refused', `the ACME server names an address that is not https: ${url.href}`)
  const agent = ca === null ? undefined : new Agent({ ca })
  try {
    const { status, headers, text } = await answer(url, {
      method: String(config.method).toUpperCase(),
      headers: config.headers.toJSON() as Record<string, string>,
      body: typeof config.data === 'string' ? config.data : '',
      agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    })
    if (status >= 400) refuse(status, headers['retry-after'], text)
    return { data: text, status, statusText: '', headers, config } satisfies AxiosResponse
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CodedError) throw error
    throw new CodedError('acme_unreachable', `the ACME server ${url.host} does not answer: ${wordsOf(error)}`)
  } finally {
    agent?.destroy()
  }
}

/** A problem of the CA becomes an error; a stale nonce goes to the library, which signs the request again. */
function refuse(status: number, retryAfter: string | undefined, text: string): void {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // No problem document: some proxy answered.
  }
  const problem = problemSchema.safeParse(body).data
  if (problem?.type !== NONCE_PROBLEM) throw acmeProblem(status, retryAfter, problem, Date.now())
}

interface Outgoing {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly agent: Agent | undefined
  readonly signal: AbortSignal
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly text: string
}

function answer(url: URL, { body, ...options }: Outgoing): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > ANSWER_BYTES) response.destroy(new Error(`an answer of more than ${ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () => {
        const headers = Object.entries(response.headers).map(
          ([name, value]) => [name, String(value)] as const,
        )
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(headers),
          text: Buffer.concat(chunks).toString('utf8'),
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function wordsOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return `no answer in ${ANSWER_MS / 1000} s`
  // Where several addresses were tried, the message is empty, and each attempt has one.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return messageOf(error)
}
