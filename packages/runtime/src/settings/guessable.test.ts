import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { guessable } from './guessable.ts'

it.each([
  ['weir', 'weir', /well-known/],
  ['Weir123!', undefined, /well-known/],
  ['postgres', undefined, /well-known/],
  ['change-me-please-now', undefined, /well-known/],
  ['CHANGE_ME_0123456789', undefined, /well-known/],
  ['your-secret-goes-here', undefined, /well-known/],
  ['a-service-account', 'A-Service-Account', /well-known/],
  ['1234567890123456', undefined, /well-known/],
  ['12345678901234567890', undefined, /well-known/],
  ['postgrespassword', undefined, /well-known/],
  ['weir-kafka-secret-1', undefined, /well-known/],
  ['this-is-my-secret-token', undefined, /well-known/],
  ['P@ssw0rd12345678', undefined, /well-known/],
  ['qwertyuiopasdfgh', undefined, /well-known/],
  ['abcdefgh12345678', undefined, /well-known/],
  ['1q2w3e4r5t6y7u8i', undefined, /well-known/],
  ['${REPLAY_TOKEN}', undefined, /well-known/],
  ['$(openssl rand -hex 32)', undefined, /well-known/],
  ['{{ .Values.token }}', undefined, /well-known/],
  ['<put it in here>', undefined, /well-known/],
  ['short', undefined, /fewer than 16/],
  ['fifteen-letters', undefined, /fewer than 16/],
  ['k'.repeat(64), undefined, /repeats/],
  ['0'.repeat(64), undefined, /repeats/],
  ['abc'.repeat(10), undefined, /well-known/],
  ['xyq'.repeat(10), undefined, /repeats/],
  ['horse-9x'.repeat(3), undefined, /repeats/],
  ['horse-9xhorse-9xhor', undefined, /repeats/],
])('%s of the user %s can be guessed', (secret, user, why) => {
  expect(guessable(secret, 'us', user)).toMatch(why)
})

it('a secret that another system gives out may be shorter', () => {
  expect(guessable('s7-Kq2zP', 'them')).toBeUndefined()
  expect(guessable('s7-Kq2z', 'them')).toMatch(/fewer than 8/)
  expect(guessable('kafka', 'them')).toMatch(/well-known/)
  // Letters that stand apart are no word.
  expect(guessable('4d81b935', 'them')).toBeUndefined()
})

it('random bytes in any usual form are not guessable', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constantFrom('hex', 'base64', 'base64url'),
      (seed, form) => {
        const bytes = createHash('sha256').update(seed).digest()
        expect(guessable(bytes.toString(form as 'hex'), 'us')).toBeUndefined()
        expect(guessable(randomBytes(16).toString(form as 'hex'), 'us')).toBeUndefined()
      },
    ),
  )
})

it('a repeated unit of fewer than 16 characters is guessable', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 15, unit: 'grapheme-ascii' }), (unit) => {
      expect(guessable(unit.repeat(40), 'us')).toBeDefined()
    }),
  )
})
