/** The part of protoo-server 4.0.8 that reads a text message. @types/protoo-server lacks it. */
declare module 'protoo-server/lib/Message.js' {
  const Message: {
    /** The message, or undefined for a text that is no message. */
    parse(text: string): object | undefined
  }
  export default Message
}
