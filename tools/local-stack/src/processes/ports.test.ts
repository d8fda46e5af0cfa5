import { createServer, type Server } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { freePorts, isPortFree, probeTcp } from './ports.ts'

const servers: Server[] = []
const listen = async (port: number, host: string, server = createServer()): Promise<void> => {
  servers.push(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

it('finds different ports that can be listened on, and none that an outgoing connection could take', async () => {
  const ports = await freePorts(20)
  expect(new Set(ports).size).toBe(20)
  for (const port of ports) {
    await listen(port, '127.0.0.1')
    expect(port).toBeLessThan(32_768)
  }
})

it.each(['127.0.0.1', '0.0.0.0'])('sees what listens on %s', async (host) => {
  const [port] = await freePorts(1)
  expect(await isPortFree(port!)).toBe(true)
  await listen(port!, host)
  expect(await isPortFree(port!)).toBe(false)
})

it('probes with a request and judges the answer', async () => {
  const [port] = await freePorts(1)
  const probe = (expected: string) =>
    probeTcp(port!, Buffer.from('hello'), (answer) => answer.toString() === expected)
  expect(await probe('hello back')).toBe(false)
  const server = createServer((socket) => {
    socket.once('data', (request) => socket.end(`${request.toString()} back`))
  })
  await listen(port!, '127.0.0.1', server)
  expect(await probe('hello back')).toBe(true)
  expect(await probe('something else')).toBe(false)
})
