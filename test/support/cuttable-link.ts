import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A way to a hub's TCP port that a test can cut: all connections then break, and may connect again. */
export interface CuttableLink extends AsyncDisposable {
  readonly url: string
  cut(): void
}

export async function openCuttableLink(hubUrl: string): Promise<CuttableLink> {
  const { hostname, port } = new URL(hubUrl)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut,
    async [Symbol.asyncDispose]() {
      server.close()
      cut()
      await once(server, 'close')
    },
  }
}
