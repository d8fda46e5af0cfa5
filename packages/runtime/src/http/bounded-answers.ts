import { Socket } from 'node:net'

/**
 * Sockets for the `stream` option of pg that end when the server sends more than `bytesMax` between two requests. pg
 * buffers a message until it is complete, and a message states its own length, so a hostile server could fill the
 * memory. Connections with TLS are not limited: their server has proven its identity.
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
