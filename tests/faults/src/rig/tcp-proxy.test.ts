import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TcpProxy } from './tcp-proxy.ts'

const HOST = '127.0.0.1'
const PATIENCE = { timeout: 5_000, interval: 10 }
let echo: Server
let proxy: TcpProxy
let port = 0
const clients: Client[] = []

interface Client {
  readonly socket: Socket
  heard: string
  error: string
  isClosed: boolean
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port: free } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return free
}

const open = (): Client => {
  const client: Client = { socket: connect({ host: HOST, port }), heard: '', error: '', isClosed: false }
  client.socket.on('data', (data: Buffer) => (client.heard += data.toString()))
  client.socket.on('error', ({ code }: NodeJS.ErrnoException) => (client.error = code ?? ''))
  client.socket.on('close', () => (client.isClosed = true))
  clients.push(client)
  return client
}
const hears = (client: Client, text: string) => vi.waitFor(() => expect(client.heard).toBe(text), PATIENCE)
/** What an echo through another connection shows to have had time enough. */
const echoed = async (): Promise<void> => {
  const direct = connect({ host: HOST, port: (echo.address() as AddressInfo).port })
  direct.write('x')
  await once(direct, 'data')
  direct.destroy()
}

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, HOST)
  await once(echo, 'listening')
  port = await freePort()
  proxy = await TcpProxy.open(
    { host: HOST, port },
    { host: HOST, port: (echo.address() as AddressInfo).port },
  )
})

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy()
  await proxy.close()
  echo.close()
})

it('passes what comes, and an end', async () => {
  const client = open()
  client.socket.end('hello')
  await hears(client, 'hello')
  await vi.waitFor(() => expect(client.isClosed).toBe(true), PATIENCE)
})

it('is silent, and what was sent meanwhile passes afterwards', async () => {
  const client = open()
  client.socket.write('one ')
  await hears(client, 'one ')
  proxy.set({ kind: 'silent' })
  client.socket.write('two')
  const late = open()
  late.socket.write('three')
  await echoed()
  expect([client.heard, late.heard]).toEqual(['one ', ''])
  proxy.set({ kind: 'pass' })
  await hears(client, 'one two')
  await hears(late, 'three')
})

it('resets what is there, and what comes', async () => {
  const client = open()
  client.socket.write('one')
  await hears(client, 'one')
  proxy.set({ kind: 'reset' })
  await vi.waitFor(() => expect(client.error).toBe('ECONNRESET'), PATIENCE)
  const refused = open()
  await vi.waitFor(() => expect(refused.isClosed).toBe(true), PATIENCE)
})

it('leaves connections half-open: they are never told, and new ones work afterwards', async () => {
  const client = open()
  client.socket.write('one')
  await hears(client, 'one')
  proxy.set({ kind: 'half-open' })
  client.socket.write('two')
  proxy.set({ kind: 'pass' })
  const later = open()
  later.socket.write('three')
  await hears(later, 'three')
  expect(client).toMatchObject({ heard: 'one', isClosed: false })
})

it('is slow, in order', async () => {
  const client = open()
  proxy.set({ kind: 'slow', ms: 30 })
  const startedAt = performance.now()
  client.socket.write('one ')
  client.socket.write('two')
  await hears(client, 'one two')
  expect(performance.now() - startedAt).toBeGreaterThan(55)
})
