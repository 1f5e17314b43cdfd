import Message from 'protoo-server/lib/Message.js'

/**
 * protoo-server 4.0.8 reads properties of whatever object a message's JSON is, and JSON's `null` is one: the text
 * `null` from any viewer throws where nobody catches, and ends the process. From here on a text that its parser
 * throws on is no message, like every other nonsense.
 */
export function guardProtooMessages(): void {
  if (guarded) return
  guarded = true
  const parse = Message.parse.bind(Message)
  Message.parse = (text) => {
    try {
      return parse(text)
    } catch {
      return undefined
    }
  }
}

let guarded = false
