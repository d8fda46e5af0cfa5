import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { drain, type Stopping } from './drain.ts'

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A server that holds its answers until the test gives them. */
const held = async () => {
  const stopping: Stopping = { isDraining: false, isClosing: false }
  const responses: ServerResponse[] = []
  const server = createServer((_request, response) => {
    responses.push(response)
    server.emit('held')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, stopping, responses }
}

const open = async (server: Server): Promise<Socket & { text: string }> => {
  const socket = Object.assign(connect((server.address() as AddressInfo).port, '127.0.0.1'), { text: '' })
  socket.on('data', (chunk) => (socket.text += chunk.toString()))
  await once(socket, 'connect')
  return socket
}

it('responds to requests in progress before it ends', async () => {
  const { server, stopping, responses } = await held()
  const socket = await open(server)
  socket.write(REQUEST)
  await once(server, 'held')
  const drained = drain(server, { drainMs: 30, requestBudgetMs: 5_000 }, stopping)
  expect(stopping).toEqual({ isDraining: true, isClosing: false })
  while (!stopping.isClosing || server.listening) await new Promise((resolve) => setImmediate(resolve))
  responses[0]!.setHeader('connection', 'close').end('late')
  await Promise.all([drained, once(socket, 'close')])
  expect(socket.text).toContain('late')
})

it('does not wait for a client that has connected and sends nothing', async () => {
  const { server, stopping } = await held()
  const socket = await open(server)
  const closed = once(socket, 'close')
  const startedAt = performance.now()
  await drain(server, { drainMs: 0, requestBudgetMs: 100 }, stopping)
  await closed
  expect(performance.now() - startedAt).toBeLessThan(4_000)
})
