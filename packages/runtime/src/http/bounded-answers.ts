import { Socket } from 'node:net'

/**
 * For `stream` of pg: sockets that end when more than `bytesMax` come between two requests. pg keeps what it is sent until
 * a message is whole, and a message states its own length. Of a connection with TLS nothing is counted: its server has
 * proven who it is.
 */
export const boundedAnswers = (bytesMax: number) => (): Socket => {
  const socket = new Socket()
  let bytes = 0
  const write = socket.write.bind(socket)
  socket.write = ((...data: Parameters<typeof write>) => {
    bytes = 0
    return write(...data)
  }) as typeof socket.write
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= bytesMax) return
    socket.destroy(
      Object.assign(new Error(`the answer has more than ${bytesMax} bytes`), { code: 'ECONNABORTED' }),
    )
  })
  return socket
}
