import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HmacKey } from './hmac.ts'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))

it('equals the HMAC of Node for keys and texts of any length', () => {
  const cases = [
    fc.constantFrom('sha256', 'sha512', 'sha1'),
    bytes(300),
    bytes(300),
    bytes(2_000),
    bytes(300),
  ] as const
  fc.assert(
    fc.property(...cases, (algorithm, key, before, body, after) => {
      const due = createHmac(algorithm, key).update(before).update(body).update(after).digest('binary')
      expect(new HmacKey(algorithm, key).digest(body, before, after)).toBe(due)
    }),
  )
})

it.each([0, 63, 64, 65, 127, 128, 129])('takes a key of %i bytes', (length) => {
  const key = Buffer.alloc(length, 7)
  for (const algorithm of ['sha256', 'sha512', 'sha1'] as const) {
    const due = createHmac(algorithm, key).update('text').digest('binary')
    expect(new HmacKey(algorithm, key).digest(Buffer.from('text'))).toBe(due)
  }
})

it.each([16_319, 16_320, 16_321, 262_144])(
  'takes a body of %i bytes, and the next one is not mixed with it',
  (length) => {
    const key = Buffer.from('key')
    const mac = new HmacKey('sha256', key)
    for (const body of [Buffer.alloc(length, 1), Buffer.from('short')]) {
      expect(mac.digest(body)).toBe(createHmac('sha256', key).update(body).digest('binary'))
    }
  },
)
