import { parentPort } from 'node:worker_threads'
import { CodedError, messageOf } from '../../common/errors.ts'
import { refuseHostileData } from './plain-data.ts'
import { parseYaml } from './yaml-body.ts'

/** The other end of YamlParser: takes text, answers JSON or the fault of the text. */
parentPort?.on('message', (text: string) => {
  parentPort?.postMessage('begun')
  parentPort?.postMessage(answerTo(text))
})

function answerTo(text: string): { json: string } | { message: string; details: string[] } {
  try {
    const value = parseYaml(text)
    refuseHostileData('body', value)
    return { json: JSON.stringify(value) ?? 'null' }
  } catch (error) {
    if (error instanceof CodedError) return { message: error.message, details: [...error.details] }
    return { message: 'the body is not YAML', details: [`body: ${messageOf(error).split('\n', 1)[0]}`] }
  }
}
