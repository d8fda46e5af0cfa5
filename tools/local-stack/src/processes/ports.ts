import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'

const canListen = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(port, host, () => server.close(() => resolve(true)))
  })

/** False: another process listens there, on any address. */
export const isPortFree = async (port: number): Promise<boolean> =>
  (await canListen(port, '127.0.0.1')) && (await canListen(port, '0.0.0.0'))

/**
 * Below what the kernel gives to outgoing connections, or one of those could take a port while its server is restarted.
 */
const FREE_PORT_MIN = 26_000
const FREE_PORT_MAX = 32_767

/** In turn, from anywhere: what was handed out may not be in use yet. */
let next = randomInt(FREE_PORT_MIN, FREE_PORT_MAX)

/** Ports that were free a moment ago, none that this process was given shortly before. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const ports: number[] = []
  while (ports.length < count) {
    const port = next
    next = port < FREE_PORT_MAX ? port + 1 : FREE_PORT_MIN
    if (await isPortFree(port)) ports.push(port)
  }
  return ports
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
