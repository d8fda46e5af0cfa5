import { expect, it } from 'vitest'
import { openBody, parseDeadLetterKeys, sealBody } from './dead-letter-cipher.ts'

const A = `a:${'11'.repeat(32)}`
const B = `b:${'22'.repeat(32)}`
const body = Buffer.from('{"card":"4111"}')

it('opens what it sealed, even after the keys were rotated', () => {
  const sealed = sealBody(parseDeadLetterKeys([A])!, body)
  expect(sealed.includes('4111')).toBe(false)
  expect(openBody(parseDeadLetterKeys([B, A]), 'a', sealed)).toEqual(body)
  expect(parseDeadLetterKeys([B, A])?.current.id).toBe('b')
})

it('refuses changed bytes, a wrong key and a missing key', () => {
  const keys = parseDeadLetterKeys([A])!
  for (let at = 0; at < 40; at += 5) {
    const sealed = sealBody(keys, body)
    sealed[at % sealed.length]! ^= 1
    expect(() => openBody(keys, 'a', sealed)).toThrow(/changed/)
  }
  expect(() => openBody(parseDeadLetterKeys([`a:${'33'.repeat(32)}`]), 'a', sealBody(keys, body))).toThrow(
    /changed/,
  )
  expect(() => openBody(parseDeadLetterKeys([B]), 'a', sealBody(keys, body))).toThrow(
    /key a, which is not given/,
  )
  expect(() => openBody(keys, 'a', Buffer.alloc(3))).toThrow(/cut off/)
})

it('parses keys strictly and never shows a key', () => {
  expect(parseDeadLetterKeys([])).toBeUndefined()
  expect(() => parseDeadLetterKeys(['a:secret'])).toThrow(/entry 1 is not id:key/)
  expect(() => parseDeadLetterKeys([A, A])).toThrow(/same id/)
  // A key without an id, with its halves changed places, or with more than two.
  const key = 'ab'.repeat(32)
  for (const entry of [key, `${key}:`, `${key}:a`, `${key}:${key}`, `a:${key}:b`, `:${key}`]) {
    expect(() => parseDeadLetterKeys([A, entry])).toThrow(/entry 2 is not id:key/)
    expect(() => parseDeadLetterKeys([A, entry])).not.toThrow(key)
  }
  expect(() => parseDeadLetterKeys([`bad id:${'11'.repeat(32)}`])).toThrow(/entry 1 is not id:key/)
})
