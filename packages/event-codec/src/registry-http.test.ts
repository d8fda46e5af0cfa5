import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:http'
import { once } from 'node:events'
import fc from 'fast-check'
import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { Registry, RegistryError, SchemaRefusedError, UnknownSchemaError } from './index.ts'
import { locate } from './registry-http.ts'

const TIMEOUT_MS = 300

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

it.each(HOSTILE_WAYS)(
  'a registry that %s is away, for every call, in bounded time and memory',
  async (way) => {
    const port = await hostileServer('http', way)
    const registry = new Registry({ registryUrl: `http://127.0.0.1:${port}` }, TIMEOUT_MS)
    const calls: readonly (() => Promise<unknown>)[] = [
      () => registry.type(1),
      () => registry.find('s', {}),
      () => registry.versions('s'),
      () => registry.register('s', { type: 'record', name: 'A', fields: [] }),
    ]
    for (const call of calls) {
      const { outcome, ms, grownBytes } = await ordeal(call)
      expect(outcome).toBeInstanceOf(RegistryError)
      expect((outcome as Error).message).toMatch(/does not answer|more than 4194304 bytes/)
      expect(ms).toBeLessThan(5_000)
      expect(grownBytes).toBeLessThan(60_000_000)
    }
  },
)

/** Responds to every request alike, and records the requests. */
const http = async (status: number, body: string, user = '') => {
  const seen: { readonly url?: string | undefined; readonly authorization?: string | undefined }[] = []
  const server = createServer(({ url, headers }, response) => {
    seen.push({ url, authorization: headers.authorization })
    response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body)
  })
  const port = await listening(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { registry: new Registry({ registryUrl: `http://${user}127.0.0.1:${port}/api` }, TIMEOUT_MS), seen }
}

it.each([
  '',
  '<html>not found</html>',
  '{}',
  '{"error_code":404,"message":"no"}',
  '{"error_code":"40403"}',
  'null',
  '[]',
])('a 404 that is not of a registry (%s) means that it is not there yet', async (body) => {
  const { registry } = await http(404, body)
  await expect(registry.type(1)).rejects.toThrow(/answers 404, but not like a registry.*SCHEMA_REGISTRY_URL/)
  await expect(registry.type(1)).rejects.toThrow(RegistryError)
  await expect(registry.find('s', {})).rejects.toThrow(RegistryError)
  await expect(registry.versions('s')).rejects.toThrow(RegistryError)
})

it.each([40_401, 40_402, 40_403])('takes a 404 with the error code %i for a missing schema', async (code) => {
  const { registry } = await http(404, JSON.stringify({ error_code: code, message: 'none' }))
  await expect(registry.type(1)).rejects.toThrow(UnknownSchemaError)
  expect(await registry.find('s', {})).toBeUndefined()
  expect(await registry.versions('s')).toEqual([])
})

it.each(['[1]', '{"id":"1"}', '{"schema":1}', 'null', 'OK'])(
  'a 200 that is not of a registry (%s) is waited for',
  async (body) => {
    const { registry } = await http(200, body)
    await expect(registry.type(1)).rejects.toThrow(RegistryError)
    await expect(registry.find('s', {})).rejects.toThrow(RegistryError)
  },
)

it('sends the user and the password of the URL only in the header, with any characters', async () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((one) => !one.includes(':'))
  fc.assert(
    fc.property(text, text, (user, password) => {
      const place = locate(
        `https://${encodeURIComponent(user)}:${encodeURIComponent(password)}@registry:8081/v7/`,
      )
      expect(place.url).toBe('https://registry:8081/v7')
      const [, basic = ''] = place.authorization!.split(' ')
      expect(Buffer.from(basic, 'base64').toString()).toBe(`${user}:${password}`)
    }),
  )
  const { registry, seen } = await http(401, '{}', 'us%40er:pa%3Ass@')
  const error = (await registry.type(1).catch((one: unknown) => one)) as Error
  expect(error).toBeInstanceOf(RegistryError)
  expect(error.message).toMatch(/401: correct the user or the password of SCHEMA_REGISTRY_URL/)
  expect(seen).toEqual([{ url: '/api/schemas/ids/1', authorization: `Basic ${btoa('us@er:pa:ss')}` }])
  expect(JSON.stringify([error, error.cause, error.stack])).not.toMatch(/pa:ss|pa%3Ass/)
})

it('sends no credentials to a redirect target, and does not quote an invalid URL', async () => {
  const { registry, seen } = await http(307, '', 'user:canary@')
  await expect(registry.type(1)).rejects.toThrow(SchemaRefusedError)
  expect(seen).toHaveLength(1)
  const refused = new Registry({ registryUrl: 'user:canary@registry:port' }).versions('s')
  await expect(refused).rejects.toThrow('SCHEMA_REGISTRY_URL is not an http or https URL')
  await expect(refused).rejects.not.toThrow(/canary/)
})

it.each([200, 400, 401, 409, 422, 500])(
  'a server that sends back what it was sent with %i shows user and password in no error',
  async (status) => {
    const secret = Buffer.from('user:canary').toString('base64')
    const body = JSON.stringify({
      error_code: 42201,
      message: `canary ${secret}`,
      authorization: `Basic ${secret}`,
    })
    const { registry } = await http(status, body, 'user:canary@')
    const calls = [
      () => registry.type(1),
      () => registry.find('s', {}),
      () => registry.register('s', { type: 'record', name: 'A', fields: [] }),
    ]
    for (const call of calls) {
      const error = (await call().catch((reason: unknown) => reason)) as Error
      expect(error).toBeInstanceOf(Error)
      for (const text of [error.message, error.stack ?? '']) {
        expect(text).not.toContain('canary')
        expect(text).not.toContain(secret)
      }
    }
  },
)
