import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BodyFormError, bodyFormText, jsonBody, parseBodyForm, type BodyForm } from './json-body.ts'

const textOf = (raw: string | Buffer, bodyForm?: BodyForm): string =>
  jsonBody({ raw: Buffer.from(raw), bodyForm }).toString()

const faultOf = (raw: string | Buffer, bodyForm: BodyForm, bytesMax?: number) => {
  try {
    return jsonBody({ raw: Buffer.from(raw), bodyForm }, bytesMax).length
  } catch (error) {
    if (!(error instanceof BodyFormError)) throw error
    return [error.kind, error.message]
  }
}

describe('a compressed body', () => {
  const body = Buffer.from('{"a":1}')

  it('decompresses to the original bytes', () => {
    expect(textOf(gzipSync(body), { coding: 'gzip' })).toBe('{"a":1}')
    expect(textOf(deflateSync(body), { coding: 'deflate' })).toBe('{"a":1}')
    expect(textOf(deflateRawSync(body), { coding: 'deflate' })).toBe('{"a":1}')
  })

  it('is invalid if it is truncated, damaged or in another format', () => {
    const zip = gzipSync(body)
    const damaged = Buffer.from(zip)
    damaged[zip.length - 6]! ^= 1
    for (const one of [zip.subarray(0, -1), damaged, body, deflateSync(body), Buffer.alloc(0)]) {
      expect(faultOf(one, { coding: 'gzip' })).toEqual(['invalid', 'not valid gzip'])
    }
    expect(faultOf(body, { coding: 'deflate' })).toEqual(['invalid', 'not valid deflate'])
  })

  it('is invalid if bytes follow the compressed stream', () => {
    const more = Buffer.from('{"b":2}')
    const zip = Buffer.concat([gzipSync(body), more])
    expect(faultOf(zip, { coding: 'gzip' })).toEqual(['invalid', 'not valid gzip'])
    for (const one of [deflateSync(body), deflateRawSync(body)]) {
      for (const rest of [more, one, Buffer.from('\0')]) {
        const fault = faultOf(Buffer.concat([one, rest]), { coding: 'deflate' })
        expect(fault).toEqual(['invalid', 'something follows the deflate stream'])
      }
    }
  })

  it('may exceed neither the limit nor a hundred times the sent size, and is not held in memory beyond either', () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    const before = process.memoryUsage().rss
    expect(faultOf(bomb, { coding: 'gzip' })).toEqual(['too_large', 'more than 900000 bytes of gzip'])
    expect(faultOf(bomb, { coding: 'gzip' }, 262_144)).toEqual([
      'too_large',
      'more than 262144 bytes of gzip',
    ])
    expect(process.memoryUsage().rss - before).toBeLessThan(20_000_000)
    const small = gzipSync(Buffer.alloc(200_000))
    expect(faultOf(small, { coding: 'gzip' }, 262_144)).toEqual([
      'too_large',
      'more than 65536 bytes of gzip',
    ])
    expect(faultOf(gzipSync(Buffer.alloc(65_536)), { coding: 'gzip' }, 262_144)).toBe(65_536)
  })
})

describe('a form', () => {
  it('yields the field payload, or an object of all fields', () => {
    const form = 'payload=%7B%22a%22%3A+%22b%2Bc%22%7D&other=1'
    expect(textOf(form, { layout: 'payload' })).toBe('{"a": "b+c"}')
    expect(textOf(form, { layout: 'fields' })).toBe('{"payload":"{\\"a\\": \\"b+c\\"}","other":"1"}')
    expect(textOf('a=1&b&&a=%C3%A9&=x', { layout: 'fields' })).toBe('{"a":["1","é"],"b":"","":"x"}')
    expect(textOf('__proto__=1', { layout: 'fields' })).toBe('{"__proto__":"1"}')
    expect(textOf('', { layout: 'fields' })).toBe('{}')
  })

  it.each(['a=%zz', 'a=%', 'a=%ff', 'a=%ED%A0%80', '%=1', Buffer.from([0x61, 0x3d, 0xff])])(
    'is not guessed at: %s',
    (form) => {
      expect(faultOf(form, { layout: 'fields' })).toEqual(['invalid', expect.stringMatching(/form|UTF-8/)])
    },
  )

  it('is read as JSON if it is JSON that is declared as a form', () => {
    for (const layout of ['fields', 'payload'] as const) {
      fc.assert(
        fc.property(fc.oneof(fc.object(), fc.array(fc.json())), fc.boolean(), (value, isZipped) => {
          const text = `\uFEFF \t\r\n${JSON.stringify(value)}`
          const bodyForm = { layout, ...(isZipped && { coding: 'gzip' as const }) }
          expect(textOf(isZipped ? gzipSync(text) : text, bodyForm)).toBe(text.slice(1))
        }),
      )
    }
    expect(textOf('%7B%22a%22%3A1%7D=', { layout: 'fields' })).toBe('{"{\\"a\\":1}":""}')
  })

  it('has exactly one payload', () => {
    expect(faultOf('a=1', { layout: 'payload' })).toEqual(['invalid', 'a form without the field payload'])
    expect(faultOf('payload=1&payload=2', { layout: 'payload' })).toEqual([
      'invalid',
      'a form with the field payload twice',
    ])
  })

  it('is read like other form parsers read it, if it is valid', () => {
    const field = fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.uniqueArray(field, { selector: ([name]) => name }), (fields) => {
        const form = new URLSearchParams(fields).toString()
        const read = JSON.parse(textOf(form, { layout: 'fields' })) as object
        // A field without a name and a value leaves nothing but an equals sign, which is one all the same.
        expect(new Map(Object.entries(read))).toEqual(new Map(fields))
      }),
    )
  })
})

it('removes a byte order mark and nothing else', () => {
  expect(textOf('\uFEFF{"a":1}')).toBe('{"a":1}')
  expect(textOf('\uFEFF\uFEFF{}')).toBe('\uFEFF{}')
  expect(textOf('{"a":"\uFEFF"}')).toBe('{"a":"\uFEFF"}')
  expect(textOf('')).toBe('')
})

it('a body form survives the record header', () => {
  for (const form of [
    { coding: 'gzip' },
    { layout: 'fields' },
    { coding: 'deflate', layout: 'payload' },
  ] as const) {
    expect(parseBodyForm(bodyFormText(form))).toEqual(form)
  }
  expect(parseBodyForm(undefined)).toBeUndefined()
  expect(parseBodyForm('br')).toBeUndefined()
})
