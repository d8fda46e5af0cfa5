import { randomBytes } from 'node:crypto'
import { INTERACTION_EVENT_SCHEMA, nullFields, OPTIONAL_FIELDS, type InteractionEvent } from '@weir/contracts'
import { testServers } from '@weir/testkit'
import { expect, it, onTestFinished } from 'vitest'
import {
  COMPATIBILITY,
  EventReader,
  InvalidEventError,
  openEventWriter,
  Registry,
  RegistryError,
  SchemaRefusedError,
  subjectOf,
  UnknownSchemaError,
} from './index.ts'

const subjectName = () => `test-${randomBytes(4).toString('hex')}`
const record = (fields: object[]) => ({ type: 'record', name: 'A', fields })
const event: InteractionEvent = {
  ...nullFields(OPTIONAL_FIELDS),
  eventKey: 'aa',
  source: 'nice',
  eventType: 't',
  interactionId: 'i',
  receivedAt: 1,
  processedAt: 2,
  schemaVersion: 'v',
  attributes: { a: '1' },
  partsMissing: [],
  bodyHash: Buffer.alloc(8),
  raw: Buffer.alloc(200_000, 7),
}

it('sets the compatibility before the first registration, and returns the same id again', async () => {
  const subject = subjectName()
  const registry = new Registry(testServers())
  expect(await registry.find(subject, record([]))).toBeUndefined()
  const ids = await Promise.all([1, 2, 3].map(() => retried(() => registry.register(subject, record([])))))
  expect(new Set(ids).size).toBe(1)
  expect(await registry.find(subject, record([]))).toBe(ids[0])
  const config = await fetch(`${testServers().registryUrl}/config/${subject}`)
  expect(await config.json()).toEqual({ compatibilityLevel: COMPATIBILITY })
  expect(await registry.versions(subject)).toEqual([1])
})

it('corrects the compatibility of a subject', async () => {
  const subject = subjectName()
  const registry = new Registry(testServers())
  const id = await registry.register(subject, record([]))
  const config = `${testServers().registryUrl}/config/${subject}`
  const headers = { 'content-type': 'application/json' }
  await fetch(config, { method: 'PUT', headers, body: '{"compatibility":"NONE"}' })
  expect(await registry.register(subject, record([]))).toBe(id)
  expect(await (await fetch(config)).json()).toEqual({ compatibilityLevel: COMPATIBILITY })
})

/** Concurrent registrations must be retried, as a processor does. */
const retried = async <T>(call: () => Promise<T>): Promise<T> => {
  for (let tries = 0; ; tries++) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof RegistryError) || tries > 10) throw error
    }
  }
}

it('reports an incompatible schema (409) and an invalid one (422)', async () => {
  const subject = subjectName()
  const registry = new Registry(testServers())
  await registry.register(subject, record([]))
  await expect(registry.register(subject, record([{ name: 'x', type: 'int' }]))).rejects.toThrow(
    SchemaRefusedError,
  )
  const optional = record([{ name: 'x', type: ['null', 'int'], default: null }])
  expect(await registry.register(subject, optional)).toBeGreaterThan(0)
  const answer = await fetch(`${testServers().registryUrl}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema: '{"type":"nope"}' }),
  })
  expect(answer.status).toBe(422)
})

it('distinguishes an unknown id (404) from an unavailable registry', async () => {
  await expect(new Registry(testServers()).type(2_000_000_000)).rejects.toThrow(UnknownSchemaError)
  const away = new Registry({ registryUrl: 'http://127.0.0.1:1' })
  await expect(away.type(1)).rejects.toThrow(RegistryError)
  await expect(away.register('s', record([]))).rejects.toThrow(RegistryError)
})

it('reads the events that it wrote, even if they are larger than its buffer, and refuses other bytes', async () => {
  const topic = subjectName()
  const settings = { ...testServers(), registerAtStart: true }
  await expect(openEventWriter({ ...settings, registerAtStart: false }, topic)).rejects.toThrow(
    /weir schema register/,
  )
  const writer = await openEventWriter(settings, topic)
  const reader = new EventReader(settings)
  const bytes = writer.encode(event)
  expect(await reader.decode(bytes)).toMatchObject({ attributes: { a: '1' }, raw: event.raw })
  expect(writer.encode({ ...event, raw: Buffer.alloc(1) }).length).toBeLessThan(200)
  await expect(reader.decode(bytes.subarray(0, 40))).rejects.toThrow(InvalidEventError)
  await expect(reader.decode(Buffer.from('{"a":1}'))).rejects.toThrow(InvalidEventError)
  expect(await new Registry(settings).find(subjectOf(topic), INTERACTION_EVENT_SCHEMA)).toBe(writer.schemaId)
})

it('requests an unknown id once, not once for each record', async () => {
  let requests = 0
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => {
    requests += 1
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error_code":40403,"message":"no"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const reader = new EventReader({ registryUrl: `http://127.0.0.1:${port}` })
  const bytes = Buffer.from([0, 0, 0, 0, 9, 1])
  for (let i = 0; i < 20; i++) await expect(reader.decode(bytes)).rejects.toThrow(UnknownSchemaError)
  server.close()
  expect(requests).toBe(1)
})

/** Responds to every request alike. */
const stub = async (status: number, body: string) => {
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return new Registry({ registryUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}` })
}

it.each([400, 401, 403, 408, 429, 500, 502, 503])(
  'waits when the registry responds with %i',
  async (status) => {
    await expect((await stub(status, '{}')).type(1)).rejects.toThrow(RegistryError)
  },
)

it.each([405, 406, 410, 415])('does not wait when another server responds with %i', async (status) => {
  await expect((await stub(status, '{}')).type(1)).rejects.toThrow(SchemaRefusedError)
})

it.each([
  ['JSON', '{"type":"object"}'],
  ['PROTOBUF', 'syntax = "proto3"; message A { string a = 1; }'],
  ['XML', '<a/>'],
])('does not read a schema of %s', async (schemaType, schema) => {
  const registry = await stub(200, JSON.stringify({ schema, schemaType }))
  await expect(registry.type(1)).rejects.toThrow(UnknownSchemaError)
  await expect(registry.type(1)).rejects.toThrow(/schema 1 of the registry is not Avro/)
})

it('refuses to register an invalid Avro schema, without a request', async () => {
  const registry = new Registry({ registryUrl: 'http://127.0.0.1:1' })
  await expect(registry.register('s', { type: 'nope' })).rejects.toThrow(SchemaRefusedError)
})

it('distinguishes an unreadable schema from an unavailable registry', async () => {
  const odd = await stub(200, JSON.stringify({ schema: '{"type":"nope"}' }))
  await expect(odd.type(1)).rejects.toThrow(UnknownSchemaError)
  const page = await stub(200, JSON.stringify({ html: 'starting' }))
  await expect(page.type(1)).rejects.toThrow(RegistryError)
  await expect(new Registry({ registryUrl: 'no URL' }).versions('s')).rejects.toThrow(SchemaRefusedError)
})
