import { request } from 'node:http'
import { CodedError } from '../../common/errors.ts'

/** Longest wait for an answer, ms: a configuration is proved before it is answered. */
const ANSWER_WITHIN_MS = 30_000

/**
 * Asks the agent that runs on this machine.
 * @param socket the agent's door
 * @throws CodedError `agent_not_running`, `agent_refuses`
 */
export async function askLocalAgent(
  socket: string,
  method: 'GET' | 'PUT' | 'POST',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const asking = request(
    { socketPath: socket, method, path, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      )
    },
  )
  asking.on('error', reject)
  asking.end(body === undefined ? undefined : JSON.stringify(body))
  try {
    const { status, text } = await promise
    if (status !== 200) throw new CodedError('agent_refuses', `the agent answers ${status}: ${text}`)
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new CodedError('agent_not_running', `no agent answers at ${socket} (${why})`, {
      cause,
      details: [
        why === 'EACCES' ? 'ask as root' : 'start it: systemctl start lanecast-agent, or lanecast-agent run',
      ],
    })
  }
}
