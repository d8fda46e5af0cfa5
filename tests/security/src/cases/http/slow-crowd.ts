import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * A worker: holds `count` connections that never finish their headers, and opens another for each that is ended. A
 * thread of its own, so that what it costs is not counted as the server's. Tells its parent, a few times a second, how
 * many are open.
 */
export interface CrowdOptions {
  readonly port: number
  readonly count: number
  /** The unfinished headers. */
  readonly start: string
}

const DRIP_MS = 1_000
const REPORT_MS = 100

const { port, count, start } = workerData as CrowdOptions
const sockets = new Set<Socket>()

const open = (): void => {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.once('connect', () => {
    sockets.add(socket)
    socket.write(start)
  })
  socket.once('close', () => {
    sockets.delete(socket)
    open()
  })
  socket.resume()
}

for (let i = 0; i < count; i++) open()
setInterval(() => {
  for (const socket of sockets) socket.write('x')
}, DRIP_MS)
setInterval(() => parentPort?.postMessage(sockets.size), REPORT_MS)
