import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { JsonValue } from '../../source.ts'
import { cloudevents } from './cloudevents.ts'

const identify = (body: JsonValue, headers: Readonly<Record<string, string>>) => {
  const result = cloudevents.identify(body, {
    bodyHash: () => '',
    header: (name) => headers[name],
    headerCount: (name) => (name in headers ? 1 : 0),
  })
  return result.kind === 'problem' ? result.problem.detail : result.identity
}

const name = fc.constantFrom('a', 'b', 'é', 'a%')
const attributes = fc.record({ id: name, source: name, type: name, subject: name })
type Attributes = Readonly<Record<string, string>>

const headersOf = (event: Attributes): Attributes =>
  Object.fromEntries(Object.entries(event).map(([key, text]) => [`ce-${key}`, encodeURIComponent(text)]))

it('is one event under any media type, or malformed, whatever its data in binary mode looks like', () => {
  fc.assert(
    fc.property(attributes, attributes, (event, data) => {
      const headers = headersOf(event)
      const binary = identify(data, { ...headers, 'content-type': 'application/json' })
      for (const kind of ['application/cloudevents+json', 'application/cloudevents-batch+json']) {
        const structured = identify(data, { ...headers, 'content-type': kind })
        if (typeof structured === 'string') {
          expect(structured).toMatch(/^header ce-(?:id|source|type|subject) is not the \w+ of the body$/)
        } else expect(structured).toEqual(binary)
      }
    }),
  )
})

it('may have its attributes in headers too', () => {
  fc.assert(
    fc.property(attributes, (event) => {
      const structured = { 'content-type': 'application/cloudevents+json' }
      expect(identify(event, { ...headersOf(event), ...structured })).toEqual(identify(event, structured))
    }),
  )
})

it('accepts any data in structured mode', () => {
  const structured = { 'content-type': 'application/cloudevents+json' }
  const event = { specversion: '1.0', id: 'i', source: 's', type: 't' }
  fc.assert(
    fc.property(fc.jsonValue(), (data) => {
      expect(identify({ ...event, data: data as JsonValue }, structured)).toMatchObject({
        interactionId: 's',
        eventType: 't',
      })
    }),
  )
})
