import { connect, createServer } from 'node:net'

const tryListen = (port: number, host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })

/** False: another process listens there, on any address. */
export const isPortFree = async (port: number): Promise<boolean> =>
  (await tryListen(port, '127.0.0.1')) !== undefined && (await tryListen(port, '0.0.0.0')) !== undefined

/** Ports that were free a moment ago, all different. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = await tryListen(0, '127.0.0.1')
    if (port !== undefined) ports.add(port)
  }
  return [...ports]
}

/** Sends `request` and gives the first bytes of the answer to `accept`; false when there is none within 2 s. */
export const probeTcp = (
  port: number,
  request: Buffer,
  accept: (answer: Buffer) => boolean,
): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(2_000, () => end(false))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
    socket.once('data', (answer) => end(accept(answer)))
    socket.once('connect', () => socket.write(request))
  })
